// parallel/shard.hpp: which part of a sequence, and which heads, belong to which rank. Pure arithmetic.
#pragma once

#include <cstdint>
#include <vector>

namespace wf {

struct Range {
  std::int64_t begin = 0, size = 0;
  std::int64_t end() const { return begin + size; }
  bool operator==(const Range&) const = default;
};

/// `total` things in order over so many parts: sizes differ by at most one, the larger ones first. Parts may be empty.
std::vector<Range> split(std::int64_t total, int parts);

/// `total` things in three portions, each about a third of the one before: where a portion travels while the next one
/// is made, only the last, small one is waited for.
std::vector<Range> shrinking(std::int64_t total);

/// The sizes alone.
std::vector<std::int64_t> sizes(const std::vector<Range>& ranges);

}  // namespace wf
