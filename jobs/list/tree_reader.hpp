// jobs/list/tree_reader.hpp: what the readers of a list's parts have in common: checks of keys and values, each failure
// a diagnostic at its location, after which reading goes on.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "jobs/list/tree.hpp"

namespace wf {

/// The keys that a map may have.
using Keys = std::vector<std::string_view>;

class TreeReader {
 public:
  /// Reports keys that are unknown, not a text, or given twice.
  void check_keys(const TreeNode& map, const Keys& known);

  /// Whether one of the unknown keys is probably this one misspelt: then its absence is not reported as well.
  static bool misspelt(const TreeNode& map, std::string_view key, const Keys& known);

  /// The value if it is a text, otherwise null, and reported.
  const std::string* text(const TreeNode& node, std::string_view key, std::string_view must_be = "a text");

  /// The value as a path; empty if it cannot be one, and reported. must_be: "the path of a folder", for messages.
  std::optional<Path> path(const TreeNode& node, std::string_view key, std::string_view must_be);

  void report(Location location, std::string what) { diagnostics_.add(location, std::move(what)); }

  /// Runs a check that throws Error(input) without a location, and reports what it throws at this one.
  template <class Check>
  void report_errors(Location location, Check&& check) {
    try {
      check();
    } catch (const Error& error) {
      diagnostics_.add(location, error.what());
    }
  }

 protected:
  Diagnostics diagnostics_;
};

}  // namespace wf
