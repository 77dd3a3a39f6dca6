// tests/pipeline/text/small_tokenizer.hpp: a tokenizer of a few pieces whose results can be worked out by hand.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "pipeline/text/tokenizer.hpp"

namespace wf::test {

/// A tokenizer.json with the ids <pad> 0, </s> 1, <unk> 2, ▁ 3, a 4, b 5, ab 6, ▁a 7, c 8, ▁cat 9, a lowest score of -6
/// and no normalizer.
inline nlohmann::json small_tokenizer() {
  return nlohmann::json::parse(R"({
    "version": "1.0",
    "added_tokens": [{"id": 1, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false,
                      "normalized": false, "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
    "post_processor": {"type": "TemplateProcessing",
                       "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
                       "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
    "model": {"type": "Unigram", "unk_id": 2, "byte_fallback": false,
              "vocab": [["<pad>", 0], ["</s>", 0], ["<unk>", 0], ["▁", -2], ["a", -3], ["b", -3], ["ab", -5], ["▁a", -4],
                        ["c", -6], ["▁cat", -4.5]]}
  })");
}

inline Tokenizer tokenizer_of(const nlohmann::json& file) { return Tokenizer(file.dump(), "tokenizer.json"); }

using Ids = std::vector<std::int64_t>;

}  // namespace wf::test
