// jobs/list/tree.hpp: what a YAML list, a JSON line and a CSV row have in common: a tree of texts, lists and maps in
// which each node knows its location. The format's reader builds it, and job_list.cpp reads jobs from it. Types of
// values are decided there, not by YAML's rules.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/list/diagnostics.hpp"

namespace wf {

struct TreeNode {
  enum Kind { nothing, text, list, map };
  Kind kind = nothing;
  std::string value;  ///< Content of a text.
  std::vector<const TreeNode*>
      items;  ///< Items of a list; of a map key, value, key, value, ..., repeated keys included.
  Location location;
  std::size_t size = 1;  ///< Nodes of this subtree, counted again for every alias.
};

/// A node as messages describe it: "a list", "a map", "nothing", or the text in quotes.
std::string describe(const TreeNode& node);

/// The first value of `key` in a map, or null.
const TreeNode* find(const TreeNode& map, std::string_view key);

/// Thrown by a reader to end its work; caught in the reader's public function, which adds it to the diagnostics.
struct ParseError {
  Location location;
  std::string what;
};

/// Builds a tree from nodes in the order in which a reader meets them. Throws ParseError above limits that no honest
/// list comes near.
class Tree {
 public:
  static constexpr std::size_t max_depth = 64;
  static constexpr std::size_t max_nodes = 8'000'000;
  static constexpr std::size_t max_repeated = 1'000'000;  ///< Limit on nodes that are in the tree through aliases.

  const TreeNode* leaf(TreeNode::Kind kind, std::string value, Location location);
  /// Begins a list or map: nodes up to the matching close() are its items.
  const TreeNode* open(TreeNode::Kind kind, Location location);
  void close();
  /// Adds a complete node once more, for an alias.
  void repeat(const TreeNode* node, Location location);

  bool is_open(const TreeNode* node) const;
  /// The innermost list or map that is still open, or null.
  const TreeNode* innermost() const { return open_.empty() ? nullptr : open_.back(); }
  const TreeNode* root() const { return root_; }
  void clear();

 private:
  TreeNode& add(TreeNode::Kind kind, Location location);

  std::deque<TreeNode> nodes_;  ///< A deque, because nodes point to each other.
  std::vector<TreeNode*> open_;
  const TreeNode* root_ = nullptr;
  std::size_t repeated_ = 0;
};

}  // namespace wf
