// jobs/tree.hpp: what a YAML list, a JSON line and a CSV row have in common: a tree of texts, lists and maps, where
// each node knows its place. The readers build it, jobs/job_file reads jobs from it; types are decided there, not by
// YAML's rules.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/mistakes.hpp"

namespace wf {

struct TreeNode {
  enum Kind { nothing, text, list, map };
  Kind kind = nothing;
  std::string value;  ///< of a text
  std::vector<const TreeNode*>
      items;  ///< of a list; of a map: key, value, key, value, ... with repeated keys as written
  Place place;
  std::size_t size = 1;  ///< nodes in it with itself, aliases counted as often as they stand
};

/// A node in words: "a list", "a map", "nothing", or the text in quotes.
std::string describe(const TreeNode& node);

/// The first value of `key` in a map, or null.
const TreeNode* find(const TreeNode& map, std::string_view key);

/// What a reader throws to end its work; the mistake stops at the reader's own function.
struct Unreadable {
  Place place;
  std::string what;
};

/// Nodes as a reader meets them. Throws Unreadable above the limits, which no honest list comes near.
class Tree {
 public:
  static constexpr std::size_t most_depth = 64;
  static constexpr std::size_t most_nodes = 8'000'000;
  static constexpr std::size_t most_repeated = 1'000'000;  ///< nodes that stand there through aliases

  const TreeNode* leaf(TreeNode::Kind kind, std::string value, Place place);
  const TreeNode* open(TreeNode::Kind kind, Place place);
  void close();
  /// The node once more (an alias). It must be complete.
  void repeat(const TreeNode* node, Place place);

  bool is_open(const TreeNode* node) const;
  /// The innermost collection that is still open, or null.
  const TreeNode* innermost() const { return open_.empty() ? nullptr : open_.back(); }
  const TreeNode* root() const { return root_; }
  void clear();

 private:
  TreeNode& add(TreeNode::Kind kind, Place place);

  std::deque<TreeNode> nodes_;  // a deque never moves them
  std::vector<TreeNode*> open_;
  const TreeNode* root_ = nullptr;
  std::size_t repeated_ = 0;
};

}  // namespace wf
