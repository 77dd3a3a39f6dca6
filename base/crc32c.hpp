// base/crc32c.hpp: CRC-32C (Castagnoli, RFC 3720), the checksum of the journal's lines and of converted weights. It
// finds every damage of up to 32 neighbouring bits, so that of a flipped byte.
#pragma once

#include <cstdint>
#include <string_view>

namespace wf {

/// Of "123456789": 0xe3069283. Computed by the processor's own instruction where it has one (x86-64 with SSE 4.2).
std::uint32_t crc32c(std::string_view bytes) noexcept;
/// The same by tables, as on any other processor; for tests.
std::uint32_t crc32c_by_tables(std::string_view bytes) noexcept;

}  // namespace wf
