#!/usr/bin/env python3
# models/shapes/train/make_tokenizer.py: trains the checkpoint's tokenizer, a small Unigram model, on captions of the
# world, and writes it as google/umt5-xxl/ holds it in a published checkpoint. Also writes the sentencepiece library's
# own ids of some texts, which tests/shapes_check/tokenizer_test.cpp asks wanfarm for.
#   pip install sentencepiece==0.2.* protobuf
#   make_tokenizer.py build/cpu/bin/shapes_captions
import base64
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "models/shapes/google/umt5-xxl"
TEST_IDS = ROOT / "tests/shapes_check/tokens.json"

SPECIALS = ["<pad>", "</s>", "<s>", "<unk>"]  # umT5's ids 0 to 3
PIECES = 420  # these, a piece for each of 256 bytes, and the world's words
KNOWN_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,;:!?'\"()-/"

HOSTILE = [
    "a", "A RED CIRCLE", "Übergröße", "一只猫在月光下的屋顶上散步", "красный круг", "دائرة حمراء", "👩‍🚀🚀 in space",
    "red" * 100, "zzzz qqqq xxxx", "a,b.c;d:e!f?", "100% @home #star $5 ^_^ ~ `code` {json} [list] <tag> \\ |",
    "a\u0301 combining", "\u200bzero width", "\ufffd", "tiny\u00a0red", "l'étoile, ça tourne",
    "a  red   circle", " leading and trailing ", "ＲＥＤ", "ﬁne", "İstanbul", "0123456789",
]


def captions(program, count, seed):
    return subprocess.run([program, str(count), "--seed", str(seed)], capture_output=True, text=True,
                          check=True).stdout.splitlines()


def train(lines):
    """A model of small letters alone, so that a prompt's case does not matter.

    The library takes for a piece only what it finds in two different words (all between two spaces). Each word is
    therefore added with two signs behind it: otherwise only those that happened to end a sentence would be pieces.
    """
    words = sorted({word.lower().strip(".,") for line in lines for word in line.split()})
    lines = lines + [f"{word}; {word}:" for word in words]
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder, "rules.tsv")
        rules.write_text("".join(f"{ord(c):X}\t{ord(c.lower()):X}\n" for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=model, model_type="unigram", vocab_size=PIECES,
            byte_fallback=True, character_coverage=1.0, required_chars=KNOWN_CHARACTERS,
            normalization_rule_tsv=str(rules), num_threads=1, minloglevel=1,
            pad_id=0, eos_id=1, bos_id=2, unk_id=3, pad_piece="<pad>", unk_piece="<unk>")
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    proto.normalizer_spec.ClearField("normalization_rule_tsv")  # the folder's name, another each time
    return proto.SerializeToString(deterministic=True)


def special(content):
    return {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}


def tokenizer_json(model):
    """The same in Hugging Face's format, which wanfarm reads."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    space = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    normalizers = [
        {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()},
        {"type": "Strip", "strip_left": True, "strip_right": True},
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
    ]
    end = [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, **special(token), "special": True} for i, token in enumerate(SPECIALS)],
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": space,
        "post_processor": {"type": "TemplateProcessing", "single": end,
                           "pair": end + [{"Sequence": {"id": "B", "type_id": 0}}, end[1]],
                           "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
        "decoder": {**space, "prepend_scheme": "never"},
        "model": {"type": "Unigram", "unk_id": 3, "vocab": [[piece.piece, piece.score] for piece in proto.pieces],
                  "byte_fallback": True},
    }


def write_json(path, value, **layout):
    path.write_text(json.dumps(value, ensure_ascii=False, **layout) + "\n", encoding="utf-8")


def write_tokenizer(model):
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "spiece.model").write_bytes(model)
    write_json(FOLDER / "tokenizer.json", tokenizer_json(model), indent=1)
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    write_json(FOLDER / "special_tokens_map.json", tokens, indent=1)
    write_json(FOLDER / "tokenizer_config.json",
               {**tokens, "extra_ids": 0, "additional_special_tokens": [], "clean_up_tokenization_spaces": False,
                "legacy": True, "tokenizer_class": "T5Tokenizer",
                "added_tokens_decoder": {str(i): {**special(t), "special": True} for i, t in enumerate(SPECIALS)}},
               indent=1)


def write_test_ids(model, texts):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    rows = (json.dumps({"text": text, "ids": processor.encode(text) + [1]}, ensure_ascii=False) for text in texts)
    TEST_IDS.write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")


def main():
    program = sys.argv[1]
    model = train(captions(program, 20000, seed=1))
    write_tokenizer(model)
    write_test_ids(model, captions(program, 200, seed=2) + HOSTILE)


if __name__ == "__main__":
    main()
