// tests/fuzz/fuzz.hpp: helpers of the fuzz targets. A reader may refuse its input by the one kind of Error that it
// promises; any other exception, and any crash, leak, overflow or hang, is a finding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace wf::fuzz {

/// The input of a target as text.
inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// A text as bytes.
inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// Runs a reader that may throw an Error of kind `promised`.
template <class Reader>
void refusing(Error::Kind promised, Reader&& reader) {
  try {
    reader();
  } catch (const Error& error) {
    if (error.kind() != promised) throw;
  }
}

/// Aborts unless an invariant of accepted input holds.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "accepted although %s\n", what);
  std::abort();
}

}  // namespace wf::fuzz
