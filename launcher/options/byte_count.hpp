// launcher/options/byte_count.hpp: sizes of memory and rates of links as users write them.
#pragma once

#include <cstdint>
#include <string>

namespace wf {

/// The bytes of "48GiB", "48G" or "48" (2^30 bytes each), or "48GB" (10^9 each). Throws Error(input) for anything else.
std::uint64_t parse_bytes(const std::string& text);

/// The bytes a second of "12GB/s" or "500MB/s" (10^9 or 10^6 bytes). Throws Error(input) for anything else.
double parse_rate(const std::string& text);
/// A rate, rounded, as parse_rate() reads it: "1.2GB/s", "117MB/s".
std::string link_text(double bytes_a_second);

}  // namespace wf
