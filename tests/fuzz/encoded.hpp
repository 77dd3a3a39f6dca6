// tests/fuzz/encoded.hpp: the invariants of every tokenizer that is accepted.
#pragma once

#include "pipeline/text/tokenizer.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace wf::fuzz {

/// Requires that a text with added tokens, spaces, and characters of many kinds becomes ids of the vocabulary, at most
/// as many as asked for.
inline void require_ids(const Tokenizer& tokenizer) {
  const auto ids = tokenizer.encode(
      "a cat </s> sat on <extra_id_0> the \xE2\x96\x81mat \xEF\xBC\xA1 \xF0\x9F\x90\x88 e\xCC\x81 \xFF", 32);
  require(ids.size() <= 32, "more ids than asked for came back");
  for (const std::int64_t id : ids)
    require(id >= 0 && id < tokenizer.vocabulary_size(), "an id is not of the vocabulary");
}

}  // namespace wf::fuzz
