// pipeline/text/sentencepiece_file.hpp: a parsed spiece.model, the ModelProto of the SentencePiece library, with what
// the tokenizer.json published with umT5 adds to its own. Source: sentencepiece_model.proto of google/sentencepiece;
// the conversion of T5 models in Hugging Face's transformers.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "pipeline/text/vocabulary.hpp"

namespace wf {

/// The content of a spiece.model. Two of its settings count for SentencePiece, but not here, because the published
/// tokenizer.json has neither: with byte_fallback characters that no piece covers would become byte pieces, with
/// remove_extra_whitespaces runs of spaces one space.
struct SentencePieceFile {
  Vocabulary vocabulary;          ///< All pieces by id, and after them <extra_id_299> to <extra_id_0>.
  std::uint32_t unknown = 0;      ///< The piece for characters that no other covers (<unk>).
  std::uint32_t end = 0;          ///< The piece behind every text (</s>).
  std::set<std::uint32_t> added;  ///< The pieces that are found in a text before it is split: specials, extra ids.
  std::string_view charsmap;      ///< The precompiled_charsmap (charsmap.hpp), a view into the bytes; may be empty.
  bool prefix = true;             ///< Whether a text gets a space in front (add_dummy_prefix).
};

/// Whether a file is a spiece.model rather than a tokenizer.json. The reader may still refuse it.
bool is_sentencepiece(std::string_view bytes) noexcept;

/// Parses a spiece.model of at most 32 MiB (the published one has 4.5 MB). The extra ids are not added to a file that
/// has pieces with these names. Throws environment, naming the file and what it is about, when it is no ModelProto with
/// pieces and both specifications; its model is not Unigram; a piece is empty or not UTF-8, has a score that is not
/// finite or an unknown type; not exactly one piece, that of unk_id, stands for unknown characters; another special id
/// is none of the pieces, or eos_id is not given; or white space is to be a suffix, or not to be escaped. Pieces that
/// are there twice are left to Unigram.
SentencePieceFile read_sentencepiece_file(std::string_view bytes, const std::string& name);

}  // namespace wf
