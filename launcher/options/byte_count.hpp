// launcher/options/byte_count.hpp: sizes of memory as users write them.
#pragma once

#include <cstdint>
#include <string>

namespace wf {

/// The bytes of "48GiB", "48G" or "48" (2^30 bytes each), or "48GB" (10^9 each). Throws Error(input) for anything else.
std::uint64_t parse_bytes(const std::string& text);

}  // namespace wf
