// pipeline/text/byte_trie.cpp: builds the trie breadth first from ranges of sorted keys that share a prefix.
#include "pipeline/text/byte_trie.hpp"

#include <algorithm>

namespace wf {
namespace {

struct SortKey {
  std::uint64_t head;  // the first 8 bytes, so that most comparisons need not follow a pointer
  std::uint32_t index;
};

std::uint64_t head(std::string_view key) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < 8; ++i) bytes = bytes << 8 | (i < key.size() ? static_cast<unsigned char>(key[i]) : 0u);
  return bytes;
}

// The indices of the keys, stably sorted by their bytes.
std::vector<std::uint32_t> sorted_indices(std::span<const std::string_view> keys) {
  std::vector<SortKey> order(keys.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = {head(keys[i]), i};
  std::sort(order.begin(), order.end(), [&](const SortKey& a, const SortKey& b) {
    if (a.head != b.head) return a.head < b.head;
    const int compared = keys[a.index].compare(keys[b.index]);
    return compared != 0 ? compared < 0 : a.index < b.index;
  });
  std::vector<std::uint32_t> indices(order.size());
  std::transform(order.begin(), order.end(), indices.begin(), [](const SortKey& key) { return key.index; });
  return indices;
}

}  // namespace

// The sorted keys from begin to end share their first `depth` bytes, which lead to one node; no key is shorter.
struct ByteTrie::Range {
  std::uint32_t begin, end, depth;
};

// Appends one child for each byte that follows the shared prefix.
void ByteTrie::append_children(Range range, std::span<const std::string_view> sorted, std::vector<Range>& children) {
  while (range.begin < range.end && sorted[range.begin].size() == range.depth) ++range.begin;  // keys that end here
  while (range.begin < range.end) {
    const char next = sorted[range.begin][range.depth];
    const auto same = [&](std::string_view key) { return key[range.depth] == next; };
    const auto end = std::partition_point(sorted.begin() + range.begin, sorted.begin() + range.end, same);
    const Range child{range.begin, static_cast<std::uint32_t>(end - sorted.begin()), range.depth + 1};
    labels_.push_back(static_cast<unsigned char>(next));
    values_.push_back(sorted[child.begin].size() == child.depth ? child.begin : none);
    children.push_back(child);
    range.begin = child.end;
  }
}

ByteTrie::ByteTrie(std::span<const std::string_view> keys) {
  const std::vector<std::uint32_t> order = sorted_indices(keys);
  std::vector<std::string_view> sorted(order.size());
  std::transform(order.begin(), order.end(), sorted.begin(), [&](std::uint32_t i) { return keys[i]; });
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (!sorted[i].empty() && sorted[i] == sorted[i - 1]) duplicate_ = order[i];
  }

  first_child_.clear();
  std::vector<Range> level{{0, static_cast<std::uint32_t>(keys.size()), 0}}, next;
  while (!level.empty()) {  // nodes are numbered as they are made, so a level's children follow it in the same order
    for (const Range& node : level) {
      first_child_.push_back(static_cast<std::uint32_t>(labels_.size()));
      append_children(node, sorted, next);
    }
    level.swap(next);
    next.clear();
  }
  first_child_.push_back(static_cast<std::uint32_t>(labels_.size()));
  for (std::uint32_t& value : values_) {
    if (value != none) value = order[value];
  }
}

std::uint32_t ByteTrie::child(std::uint32_t node, unsigned char label) const {
  const auto begin = labels_.begin() + first_child_[node], end = labels_.begin() + first_child_[node + 1];
  const auto found = std::lower_bound(begin, end, label);
  return found == end || *found != label ? none : static_cast<std::uint32_t>(found - labels_.begin());
}

std::optional<std::uint32_t> ByteTrie::find(std::string_view key) const {
  std::optional<std::uint32_t> value;
  prefixes(key, [&](std::size_t length, std::uint32_t found) {
    if (length == key.size()) value = found;
  });
  return value;
}

}  // namespace wf
