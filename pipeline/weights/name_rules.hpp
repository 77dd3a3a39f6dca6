// pipeline/weights/name_rules.hpp: tables that translate the names of layers between two ways of naming one network.
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wf {

/// One layer, or one branch of layers, under its two names. '#' stands for a number, the same one in both names.
struct NameRule {
  std::string official, other;
};

/// Rules that are applied to dotted names. A rule holds for its name and for everything below it, up to a dot: the rule
/// {"head.head", "proj_out"} turns proj_out.weight into head.head.weight, and leaves proj_outer.weight as it is. Of the
/// rules that hold, the longest one is applied, once; a name that none holds for is kept.
class NameRules {
 public:
  explicit NameRules(std::vector<NameRule> rules) : rules_(std::move(rules)) {}

  std::string to_official(std::string_view name) const;
  std::string to_other(std::string_view name) const;

 private:
  std::string translate(std::string_view name, std::string NameRule::*from, std::string NameRule::*to) const;

  std::vector<NameRule> rules_;
};

}  // namespace wf
