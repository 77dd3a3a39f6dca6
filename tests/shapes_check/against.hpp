// tests/shapes_check/against.hpp: compares two folders with clips of the same prompts and seeds, such as those of two
// precisions.
#pragma once

#include <map>
#include <ostream>
#include <string>

#include "base/files.hpp"
#include "models/shapes/world/verdict.hpp"

namespace wf::shapes {

/// Looks at a clip of each name in `expected` in both folders, and prints: each clip that is right in other parts here
/// than there; a table of shares for each folder; per part, how many clips are right in one folder alone, and the
/// difference of the shares (here minus there) with its interval; and the median PSNR and SSIM between clips of one
/// name, which tell how far they diverged, not how good they are. Clips of other names are left out.
///
/// Requires that `expected` is not empty. Throws Error(input), before anything is printed, if a folder is none or has
/// two clips of one name, clips are missing (all are named), or sidecars tell that two clips of one name differ in
/// prompt or seed; and later, if a clip cannot be read or two of one name differ in size or length.
void print_comparison(const std::map<std::string, Verdict>& expected, const Path& here, const Path& there,
                      std::ostream& out);

}  // namespace wf::shapes
