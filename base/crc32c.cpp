#include "base/crc32c.hpp"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace wf {
namespace {

/// tables[k][b]: the checksum of byte b followed by k zero bytes. With eight of them, eight bytes take one round.
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr Tables make_tables() {
  constexpr std::uint32_t reversed_polynomial = 0x82f63b78;
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? reversed_polynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < tables.size(); ++k)
    for (std::size_t byte = 0; byte < 256; ++byte)
      tables[k][byte] = (tables[k - 1][byte] >> 8) ^ tables[0][tables[k - 1][byte] & 0xff];
  return tables;
}

constexpr Tables tables = make_tables();

std::uint32_t four_bytes(const char* at) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 4; ++i) value |= std::uint32_t{static_cast<unsigned char>(at[i])} << (8 * i);
  return value;
}

/// The bytes of `value`, the first of which is followed by `behind` further bytes.
std::uint32_t contribution(std::uint32_t value, std::size_t behind) {
  return tables[behind][value & 0xff] ^ tables[behind - 1][(value >> 8) & 0xff] ^
         tables[behind - 2][(value >> 16) & 0xff] ^ tables[behind - 3][value >> 24];
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::string_view bytes) noexcept {
  std::uint64_t crc = ~std::uint32_t{0};
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
    std::uint64_t eight;
    std::memcpy(&eight, bytes.data(), sizeof eight);
    crc = _mm_crc32_u64(crc, eight);
  }
  for (const char c : bytes) crc = _mm_crc32_u8(static_cast<std::uint32_t>(crc), static_cast<unsigned char>(c));
  return ~static_cast<std::uint32_t>(crc);
}

bool has_instruction() noexcept {
  static const bool has = __builtin_cpu_supports("sse4.2");
  return has;
}

#else

std::uint32_t by_instruction(std::string_view) noexcept { return 0; }
bool has_instruction() noexcept { return false; }

#endif

}  // namespace

std::uint32_t crc32c_by_tables(std::string_view bytes) noexcept {
  std::uint32_t crc = ~0u;
  for (; bytes.size() >= 8; bytes.remove_prefix(8))
    crc = contribution(crc ^ four_bytes(bytes.data()), 7) ^ contribution(four_bytes(bytes.data() + 4), 3);
  for (const char c : bytes) crc = (crc >> 8) ^ tables[0][(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

std::uint32_t crc32c(std::string_view bytes) noexcept {
  return has_instruction() ? by_instruction(bytes) : crc32c_by_tables(bytes);
}

}  // namespace wf
