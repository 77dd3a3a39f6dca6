// pipeline/stages/tokenize.hpp: a prompt becomes the token ids that the text encoder reads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/text/tokenizer.hpp"

namespace wf {

/// Cleans a text as the official code does (pipeline/text/clean_text.hpp) and returns its 1 to max_length token ids, of
/// which the last is `</s>`. Longer texts are cut. The ids are not padded (encode_text.hpp says why).
std::vector<std::int64_t> tokenize(const std::string& text, const Tokenizer& tokenizer, std::size_t max_length = 512);

}  // namespace wf
