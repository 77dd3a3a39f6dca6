// launcher/random_model/tokenizer_json.hpp: a small tokenizer of our own for random models: ASCII and some common
// words.
#pragma once

#include <cstdint>
#include <string>

namespace wf {

struct TokenizerJson {
  std::string text;              ///< the file tokenizer.json
  std::int64_t vocabulary_size;  ///< largest id + 1
};

/// A Unigram model with the published special ids (pad 0, </s> 1, <s> 2, <unk> 3). Same bytes on every call.
TokenizerJson small_tokenizer();

}  // namespace wf
