// pipeline/text/fix_text.hpp: repairs of glitches in copied text. Source: ftfy 6, fix_text() with its defaults.
#pragma once

#include <string>

namespace wf {

/// Repairs each line until it no longer changes: unescapes unambiguous HTML references (until the first line with a
/// '<', from which on the text counts as HTML), reads C1 controls as Windows-1252, splits Latin ligatures, makes full-
/// and half-width characters normal, straightens quotes, turns line breaks into \n, removes terminal escapes and
/// control characters, and normalizes to NFC. Text decoded with a wrong encoding ("Ã©" for "é") is not repaired.
std::u32string fix_text(std::u32string_view text);

}  // namespace wf
