// pipeline/text/byte_trie.hpp: a trie that finds all strings of a set (vocabulary or added tokens) that a text begins
// with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace wf {

/// A set of byte strings. The value of a key is its index in the list that the trie was built from; empty keys are
/// never found. The children of a node are adjacent and sorted: 9 bytes per node; building from 256,000 pieces takes
/// 0.1 s.
class ByteTrie {
 public:
  ByteTrie() = default;
  /// The keys need not outlive the call. Of equal keys the first one is found.
  explicit ByteTrie(std::span<const std::string_view> keys);

  /// Calls visit(length, value) for every key that `text` begins with, shortest first.
  template <class Visit>
  void prefixes(std::string_view text, Visit&& visit) const {
    std::uint32_t node = 0;
    for (std::size_t length = 1; length <= text.size(); ++length) {
      node = child(node, static_cast<unsigned char>(text[length - 1]));
      if (node == none) return;
      if (values_[node] != none) visit(length, values_[node]);
    }
  }

  /// The value of `key`; empty if it is not in the set.
  std::optional<std::uint32_t> find(std::string_view key) const;

  /// The index of a key that equals an earlier key; empty if all keys differ.
  std::optional<std::uint32_t> duplicate() const { return duplicate_; }

 private:
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
  struct Range;

  void append_children(Range range, std::span<const std::string_view> sorted, std::vector<Range>& children);
  std::uint32_t child(std::uint32_t node, unsigned char label) const;

  std::vector<std::uint32_t> first_child_{1,
                                          1};  ///< Node n has the children first_child_[n] to first_child_[n + 1] - 1.
  std::vector<std::uint32_t> values_{none};
  std::vector<unsigned char> labels_{0};  ///< The byte that leads to a node; node 0 is the root.
  std::optional<std::uint32_t> duplicate_;
};

}  // namespace wf
