// pipeline/weights/byte_reader.hpp: bounds-checked reading of little-endian numbers and text from untrusted bytes.
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

/// A cursor over bytes. Every read beyond the end throws broken(where, "ends in the middle of WHAT (truncated?)").
/// Returned views point into the bytes. `where` must outlive the reader.
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, const std::string& where, const std::string& what)
      : bytes_(bytes), where_(where), what_(what) {}

  /// The number of bytes that have not been read yet.
  std::uint64_t left() const noexcept { return bytes_.size(); }

  /// The next sizeof(Number) bytes as a little-endian integer.
  template <class Number>
  Number number() {
    static_assert(std::is_integral_v<Number>);
    Number value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  /// The next `size` bytes as text.
  std::string_view text(std::uint64_t size) {
    const auto taken = take(size);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  /// The text up to the next '\n', which is consumed but not returned.
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
