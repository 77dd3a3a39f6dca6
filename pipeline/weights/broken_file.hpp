// pipeline/weights/broken_file.hpp: helpers that the readers of checkpoint files share: the error they throw, and
// arithmetic that a hostile header cannot overflow.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace wf {

/// Throws Error(environment) with the message "WHERE: WHAT".
[[noreturn]] inline void broken(const std::string& where, const std::string& what) {
  throw Error(Error::environment, where + ": " + what);
}

/// A name from a file made safe for an error message: control characters become '?', at most 80 bytes are kept, and no
/// UTF-8 character is cut in two.
inline std::string printable(std::string_view name) {
  std::size_t kept = std::min<std::size_t>(name.size(), 80);
  while (kept > 0 && kept < name.size() && (static_cast<unsigned char>(name[kept]) & 0xC0) == 0x80) --kept;
  std::string shown(name.substr(0, kept));
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return name.size() > shown.size() ? shown + "..." : shown;
}

/// A shape as text: "[2, 3]".
inline std::string to_string(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

/// The number of elements of a shape whose sizes are not negative. Throws broken(where) when it overflows an int64 or
/// when there are more than 16 dimensions (a limit that keeps a small header from describing a big index).
inline std::int64_t element_count(const std::vector<std::int64_t>& shape, const std::string& where) {
  constexpr std::size_t max_dimensions = 16;
  if (shape.size() > max_dimensions)
    broken(where, "has " + std::to_string(shape.size()) + " dimensions, at most 16 are read");
  std::int64_t count = 1;
  bool empty = false;
  for (const std::int64_t size : shape) {
    if (size == 0) empty = true;
    if (size != 0 && __builtin_mul_overflow(count, size, &count))
      broken(where, "its shape " + to_string(shape) + " overflows");
  }
  return empty ? 0 : count;
}

}  // namespace wf
