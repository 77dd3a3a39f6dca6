#include "pipeline/exact_blocks.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"

namespace wf {
namespace {

constexpr std::int64_t most_blocks = 10000;  // keeps a range that is a slip of the hand from filling the memory

[[noreturn]] void refuse(const std::string& text) {
  throw Error(Error::input,
              "blocks such as 0,1,38-39 are needed, or by expert high:0-1,low:39, or none; got '" + text + "'");
}

std::int64_t parse_number(std::string_view digits, const std::string& whole) {
  std::int64_t number = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size() || number < 0 || number >= most_blocks)
    refuse(whole);
  return number;
}

/// Adds the blocks of "7" or "7-9".
void add_range(BlockNumbers& blocks, std::string_view item, const std::string& whole) {
  const std::size_t dash = item.find('-');
  const std::int64_t first = parse_number(item.substr(0, dash), whole);
  const std::int64_t last = dash == item.npos ? first : parse_number(item.substr(dash + 1), whole);
  if (last < first) refuse(whole);
  for (std::int64_t block = first; block <= last; ++block) blocks.insert(block);
}

bool take_prefix(std::string_view& item, std::string_view prefix) {
  if (!item.starts_with(prefix)) return false;
  item.remove_prefix(prefix.size());
  return true;
}

}  // namespace

ExactBlocks parse_exact_blocks(const std::string& text) {
  ExactBlocks blocks;
  if (text == "none") return blocks;
  BlockNumbers* of_one = nullptr;  // null: both experts
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string_view item(text.data() + begin, end - begin);
    BlockNumbers* const named = take_prefix(item, "high:")  ? &blocks.high
                                : take_prefix(item, "low:") ? &blocks.low
                                                            : nullptr;
    if (named && !of_one && begin > 0) refuse(text);  // 5,high:7: is 5 a block of both?
    if (named) of_one = named;
    add_range(of_one ? *of_one : blocks.high, item, text);
    begin = end + 1;
  }
  if (!of_one) blocks.low = blocks.high;
  return blocks;
}

std::string to_string(const BlockNumbers& blocks) {
  std::vector<std::string> ranges;
  for (auto block = blocks.begin(); block != blocks.end();) {
    const std::int64_t first = *block;
    std::int64_t last = first;
    while (++block != blocks.end() && *block == last + 1) ++last;
    std::string range = std::to_string(first);
    if (last > first) range.append(1, last == first + 1 ? ',' : '-').append(std::to_string(last));
    ranges.push_back(std::move(range));
  }
  return join(ranges, ",");
}

std::string to_string(const ExactBlocks& blocks) {
  if (!blocks.any()) return "none";
  const std::string high = to_string(blocks.high), low = to_string(blocks.low);
  if (high == low) return high;
  if (low.empty()) return "high:" + high;
  return (high.empty() ? "low:" : "high:" + high + ",low:") + low;
}

void check_exact_blocks(const ExactBlocks& blocks, std::int64_t layers) {
  const std::int64_t last =
      std::max(blocks.high.empty() ? -1 : *blocks.high.rbegin(), blocks.low.empty() ? -1 : *blocks.low.rbegin());
  if (last >= layers)
    throw Error(Error::input, "--fp8-exact-blocks " + to_string(blocks) +
                                  ": an expert of this model has the blocks 0 to " + std::to_string(layers - 1));
}

}  // namespace wf
