#include "jobs/tree.hpp"

#include <algorithm>
#include <utility>

#include "jobs/utf8.hpp"

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

TreeNode& Tree::add(TreeNode::Kind kind, Place place) {
  if (nodes_.size() == most_nodes)
    throw Unreadable{place, "too long: more than " + std::to_string(most_nodes) +
                                " values (move the prompts into a .txt, .jsonl or .csv file)"};
  TreeNode& node = nodes_.emplace_back();
  node.kind = kind;
  node.place = place;
  if (open_.empty())
    root_ = &node;
  else
    open_.back()->items.push_back(&node);
  return node;
}

const TreeNode* Tree::leaf(TreeNode::Kind kind, std::string value, Place place) {
  TreeNode& node = add(kind, place);
  node.value = std::move(value);
  if (!open_.empty()) ++open_.back()->size;
  return &node;
}

const TreeNode* Tree::open(TreeNode::Kind kind, Place place) {
  if (open_.size() == most_depth)
    throw Unreadable{place, "nested deeper than " + std::to_string(most_depth) + " levels"};
  TreeNode& node = add(kind, place);
  open_.push_back(&node);
  return &node;
}

void Tree::close() {
  const std::size_t size = open_.back()->size;
  open_.pop_back();
  if (!open_.empty()) open_.back()->size += size;
}

void Tree::repeat(const TreeNode* node, Place place) {
  repeated_ += node->size;
  if (repeated_ > most_repeated)
    throw Unreadable{place, "aliases repeat more than " + std::to_string(most_repeated) + " values"};
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
