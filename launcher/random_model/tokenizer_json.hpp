// launcher/random_model/tokenizer_json.hpp: a small tokenizer for random models: ASCII and some common English words.
#pragma once

#include <cstdint>
#include <string>

namespace wf {

/// A tokenizer in the format of Hugging Face.
struct TokenizerJson {
  std::string text;              ///< Content of the file tokenizer.json.
  std::int64_t vocabulary_size;  ///< Largest token id + 1.
};

/// A Unigram model with the published ids of special tokens (pad 0, </s> 1, <s> 2, <unk> 3). Every call returns the
/// same bytes.
TokenizerJson small_tokenizer();

}  // namespace wf
