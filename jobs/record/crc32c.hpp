// jobs/record/crc32c.hpp: CRC-32C (Castagnoli, RFC 3720), the checksum of the journal's lines. It finds every damage of
// up to 32 neighbouring bits, so that of a flipped byte.
#pragma once

#include <cstdint>
#include <string_view>

namespace wf {

/// Of "123456789": 0xe3069283.
std::uint32_t crc32c(std::string_view bytes) noexcept;

}  // namespace wf
