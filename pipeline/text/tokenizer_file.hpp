// pipeline/text/tokenizer_file.hpp: a parsed tokenizer.json: the vocabulary packed, everything else as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "pipeline/text/vocabulary.hpp"

namespace wf {

/// The content of a tokenizer.json.
struct TokenizerFile {
  nlohmann::json root;    ///< Everything but model.vocab, which has 256,000 entries in the published file.
  Vocabulary vocabulary;  ///< The entries of model.vocab.
};

/// Parses a tokenizer.json. Throws environment, naming the file, when it is not JSON (with line and column) or nested
/// too deeply, or when model.vocab is missing, duplicated or not a list of [piece, score].
TokenizerFile read_tokenizer_file(std::string_view json, const std::string& name);

}  // namespace wf
