// pipeline/tokenize.hpp: a prompt becomes the ids that the text encoder knows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/text/tokenizer.hpp"

namespace wf {

/// Token ids of one text: 1..max_length of them, the last is `</s>`. Never padded: see encode_text.
std::vector<std::int64_t> tokenize(const std::string& text, const Tokenizer& tokenizer, std::size_t max_length = 512);

}  // namespace wf
