// pipeline/text/tokenizer_file.hpp: tokenizer.json in memory: its vocabulary packed, everything else as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "pipeline/text/vocabulary.hpp"

namespace wf {

struct TokenizerFile {
  nlohmann::json root;    // model.vocab is left out: the published file has 256,000 entries in it
  Vocabulary vocabulary;  // what stood there
};

/// Throws environment naming the file: not JSON (with line and column), nested too deeply, model.vocab missing, not a
/// list of [piece, score], or there twice.
TokenizerFile read_tokenizer_file(std::string_view json, const std::string& name);

}  // namespace wf
