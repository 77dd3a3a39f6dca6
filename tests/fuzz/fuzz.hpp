// tests/fuzz/fuzz.hpp: what every fuzz target needs. A target may throw the one kind of Error that its reader promises;
// any other exception, crash, leak, overflow or hang is a find.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "cluster/error.hpp"

namespace wf::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// Runs a reader that may refuse its input with `promised`.
template <class Reader>
void refusing(Error::Kind promised, Reader&& reader) {
  try {
    reader();
  } catch (const Error& error) {
    if (error.kind() != promised) throw;
  }
}

/// An invariant of what a reader accepted.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "accepted, although %s\n", what);
  std::abort();
}

}  // namespace wf::fuzz
