#include "jobs/list/tree_reader.hpp"

#include <algorithm>
#include <unordered_map>

#include "jobs/list/suggest.hpp"
#include "jobs/list/utf8.hpp"

namespace wf {
namespace {

std::string unknown(const std::string& key, const Keys& known) {
  if (key == "<<") return "merge keys (<<) are not read (put shared values under 'defaults')";
  const bool sentence = known.front() == "prompt" && key.find(' ') != std::string::npos;
  if (sentence) return "unknown key " + in_quotes(key) + " (put a prompt that holds ': ' in quotes)";
  return "unknown key " + in_quotes(key) + " " + did_you_mean(key, known);
}

}  // namespace

void TreeReader::check_keys(const TreeNode& map, const Keys& known) {
  std::unordered_map<std::string_view, const TreeNode*> seen;
  for (std::size_t i = 0; i + 1 < map.items.size(); i += 2) {
    const TreeNode& key = *map.items[i];
    if (key.kind != TreeNode::text) {
      report(key.location, "a key must be a text, got " + describe(key));
    } else if (const auto [first, is_new] = seen.emplace(key.value, &key); !is_new) {
      report(key.location, in_quotes(key.value) + " is given twice (first in line " +
                               std::to_string(line_of(first->second->location)) + ")");
    } else if (std::find(known.begin(), known.end(), key.value) == known.end()) {
      report(key.location, unknown(key.value, known));
    }
  }
}

bool TreeReader::misspelt(const TreeNode& map, std::string_view key, const Keys& known) {
  for (std::size_t i = 0; i + 1 < map.items.size(); i += 2) {
    const std::string& other = map.items[i]->value;
    if (nearest_word(other, known) == key || (key == "prompt" && other.find(' ') != std::string::npos)) return true;
  }
  return false;
}

const std::string* TreeReader::text(const TreeNode& node, std::string_view key, std::string_view must_be) {
  if (node.kind == TreeNode::text) return &node.value;
  report(node.location, std::string(key) + " must be " + std::string(must_be) + ", got " + describe(node));
  return nullptr;
}

std::optional<Path> TreeReader::path(const TreeNode& node, std::string_view key, std::string_view must_be) {
  const std::string* value = text(node, key, must_be);
  if (!value) return {};
  if (!value->empty() && value->find('\0') == std::string::npos) return Path(*value);
  report(node.location, std::string(key) + " must be " + std::string(must_be) + ", got " + in_quotes(*value));
  return {};
}

}  // namespace wf
