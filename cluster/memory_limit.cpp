#include "cluster/memory_limit.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace wf {
namespace {

constexpr std::uint64_t none = std::numeric_limits<std::uint64_t>::max();

/// The number in the file; `none` where there is no file, or where it says "max".
std::uint64_t limit_in(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::uint64_t bytes = 0;
  return in >> bytes ? bytes : none;
}

/// The least limit of the group and those around it.
std::uint64_t least_limit(const std::filesystem::path& folder, std::filesystem::path group, const char* file) {
  std::uint64_t least = limit_in(folder / file);
  for (; !group.empty(); group = group.parent_path()) least = std::min(least, limit_in(folder / group / file));
  return least;
}

}  // namespace

/// A line of version 2 is "0::/path", one of version 1 "4:memory:/path", perhaps with more names than "memory".
std::uint64_t memory_limit_of_groups(const std::filesystem::path& own_groups, const std::filesystem::path& folder) {
  std::uint64_t least = none;
  std::ifstream in(own_groups);
  for (std::string line; std::getline(in, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::filesystem::path group = std::filesystem::path(line.substr(second + 1)).relative_path();
    if (names == ",,") least = std::min(least, least_limit(folder, group, "memory.max"));
    if (names.find(",memory,") != std::string::npos)
      least = std::min(least, least_limit(folder / "memory", group, "memory.limit_in_bytes"));
  }
  return least;
}

}  // namespace wf
