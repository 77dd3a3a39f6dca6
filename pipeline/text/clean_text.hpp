// pipeline/text/clean_text.hpp: a prompt as the official code cleans it before the tokenizer sees it.
#pragma once

#include <string>
#include <string_view>

namespace wf {

/// ftfy 6 (fix_text with its defaults; mojibake repair left out, see docs/models.md), HTML entities twice, white space
/// collapsed and stripped. UTF-8 in and out; bytes that are not UTF-8 become U+FFFD.
std::string clean_text(std::string_view text);

}  // namespace wf
