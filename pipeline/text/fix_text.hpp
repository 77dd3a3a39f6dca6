// pipeline/text/fix_text.hpp: glitches of copied text undone, step for step as ftfy 6 does it by default.
#pragma once

#include <string>

namespace wf {

/// Line by line, each until it no longer changes: HTML references that are certain (none from the first line with a '<'
/// on: that text is HTML), C1 controls read as Windows-1252, Latin ligatures taken apart, full and half width made
/// normal, quotes uncurled, line breaks to \n, terminal escapes and control characters removed, then NFC.
/// Text that was decoded with a wrong encoding ("Ã©" for "é") is not repaired.
std::u32string fix_text(std::u32string_view text);

}  // namespace wf
