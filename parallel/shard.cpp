#include "parallel/shard.hpp"

namespace wf {

std::vector<Range> split(std::int64_t total, int parts) {
  std::vector<Range> ranges;
  std::int64_t begin = 0;
  for (int part = 0; part < parts; ++part) {
    const std::int64_t size = total / parts + (part < total % parts ? 1 : 0);
    ranges.push_back({begin, size});
    begin += size;
  }
  return ranges;
}

std::vector<Range> shrinking(std::int64_t total) {
  const std::int64_t first = total * 9 / 13, second = (total - first) * 3 / 4;
  return {{0, first}, {first, second}, {first + second, total - first - second}};
}

std::vector<std::int64_t> sizes(const std::vector<Range>& ranges) {
  std::vector<std::int64_t> result;
  for (const Range& range : ranges) result.push_back(range.size);
  return result;
}

}  // namespace wf
