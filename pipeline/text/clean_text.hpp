// pipeline/text/clean_text.hpp: the cleaning of prompts before the tokenizer. Source: wan/modules/tokenizers.py of the
// official implementation.
#pragma once

#include <string>
#include <string_view>

namespace wf {

/// Applies ftfy 6 (fix_text() with its defaults, but without repairing mojibake, see docs/models.md), unescapes HTML
/// entities twice, and collapses and strips white space. UTF-8 in and out; invalid UTF-8 becomes U+FFFD.
std::string clean_text(std::string_view text);

}  // namespace wf
