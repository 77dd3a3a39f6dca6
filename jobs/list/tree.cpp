#include "jobs/list/tree.hpp"

#include <algorithm>
#include <utility>

#include "jobs/list/utf8.hpp"

namespace wf {

std::string describe(const TreeNode& node) {
  switch (node.kind) {
    case TreeNode::nothing:
      return "nothing";
    case TreeNode::text:
      return in_quotes(node.value);
    case TreeNode::list:
      return "a list";
    case TreeNode::map:
      return "a map";
  }
  return "nothing";
}

const TreeNode* find(const TreeNode& map, std::string_view key) {
  for (std::size_t i = 0; i + 1 < map.items.size(); i += 2)
    if (map.items[i]->kind == TreeNode::text && map.items[i]->value == key) return map.items[i + 1];
  return nullptr;
}

TreeNode& Tree::add(TreeNode::Kind kind, Location location) {
  if (nodes_.size() == max_nodes)
    throw ParseError{location, "too long: more than " + std::to_string(max_nodes) +
                                   " values (move the prompts into a .txt, .jsonl or .csv file)"};
  TreeNode& node = nodes_.emplace_back();
  node.kind = kind;
  node.location = location;
  if (open_.empty())
    root_ = &node;
  else
    open_.back()->items.push_back(&node);
  return node;
}

const TreeNode* Tree::leaf(TreeNode::Kind kind, std::string value, Location location) {
  TreeNode& node = add(kind, location);
  node.value = std::move(value);
  if (!open_.empty()) ++open_.back()->size;
  return &node;
}

const TreeNode* Tree::open(TreeNode::Kind kind, Location location) {
  if (open_.size() == max_depth)
    throw ParseError{location, "nested deeper than " + std::to_string(max_depth) + " levels"};
  TreeNode& node = add(kind, location);
  open_.push_back(&node);
  return &node;
}

void Tree::close() {
  const std::size_t size = open_.back()->size;
  open_.pop_back();
  if (!open_.empty()) open_.back()->size += size;
}

void Tree::repeat(const TreeNode* node, Location location) {
  repeated_ += node->size;
  if (repeated_ > max_repeated)
    throw ParseError{location, "aliases repeat more than " + std::to_string(max_repeated) + " values"};
  if (open_.empty()) return;
  open_.back()->items.push_back(node);
  open_.back()->size += node->size;
}

bool Tree::is_open(const TreeNode* node) const { return std::find(open_.begin(), open_.end(), node) != open_.end(); }

void Tree::clear() {
  nodes_.clear();
  open_.clear();
  root_ = nullptr;
  repeated_ = 0;
}

}  // namespace wf
