#include "parallel/shard.hpp"

namespace wf {

std::vector<Range> split(std::int64_t total, int parts) {
  std::vector<Range> ranges;
  for (int part = 0; part < parts; ++part) ranges.push_back(share_of(total, parts, part));
  return ranges;
}

std::vector<Range> shrinking(std::int64_t total, int ratio) {
  const std::int64_t first = total * ratio * ratio / (ratio * ratio + ratio + 1);
  const std::int64_t second = (total - first) * ratio / (ratio + 1);
  return {{0, first}, {first, second}, {first + second, total - first - second}};
}

std::vector<std::int64_t> sizes(const std::vector<Range>& ranges) {
  std::vector<std::int64_t> result;
  for (const Range& range : ranges) result.push_back(range.size);
  return result;
}

}  // namespace wf
