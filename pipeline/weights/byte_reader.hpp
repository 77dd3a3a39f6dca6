// pipeline/weights/byte_reader.hpp: little-endian numbers and text out of bytes that may end at any moment.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "pipeline/weights/broken_file.hpp"

namespace wf {

static_assert(std::endian::native == std::endian::little, "checkpoints are read without swapping bytes");

/// Reads forward; every step beyond the end throws broken(where, "ends in the middle of WHAT").
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, const std::string& where, const std::string& what)
      : bytes_(bytes), where_(where), what_(what) {}

  std::uint64_t left() const noexcept { return bytes_.size(); }

  template <class Number>
  Number number() {
    static_assert(std::is_integral_v<Number>);
    Number value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  std::string_view text(std::uint64_t size) {
    const auto taken = take(size);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  /// Up to the next '\n', which is read too and left out.
  std::string_view line() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
    const std::string_view found = text(std::min(rest.find('\n'), rest.size()));
    take(1);
    return found;
  }

 private:
  std::span<const std::byte> take(std::uint64_t size) {
    if (size > bytes_.size()) broken(where_, "ends in the middle of " + what_ + " (truncated?)");
    const auto taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }

  std::span<const std::byte> bytes_;
  const std::string& where_;
  std::string what_;
};

}  // namespace wf
