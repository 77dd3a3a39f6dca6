#include "pipeline/weights/name_rules.hpp"

#include <algorithm>
#include <optional>

namespace wf {
namespace {

/// What a pattern covers of a name that it holds for.
struct Covered {
  std::size_t length;       ///< Of the name's beginning.
  std::string_view number;  ///< In the place of '#'.
};

std::string_view leading_number(std::string_view text) {
  return text.substr(0, std::min(text.find_first_not_of("0123456789"), text.size()));
}

std::optional<Covered> cover(std::string_view pattern, std::string_view name) {
  Covered covered{0, {}};
  for (const char expected : pattern) {
    const std::string_view rest = name.substr(covered.length);
    if (expected == '#') covered.number = leading_number(rest);
    const std::size_t length = expected == '#' ? covered.number.size() : rest.starts_with(expected);
    if (length == 0) return std::nullopt;
    covered.length += length;
  }
  const bool whole_words = covered.length == name.size() || name[covered.length] == '.';
  return whole_words ? std::optional(covered) : std::nullopt;
}

std::string with_number(std::string pattern, std::string_view number) {
  if (const std::size_t place = pattern.find('#'); place != std::string::npos) pattern.replace(place, 1, number);
  return pattern;
}

}  // namespace

std::string NameRules::translate(std::string_view name, std::string NameRule::*from, std::string NameRule::*to) const {
  Covered longest{0, {}};
  const NameRule* applied = nullptr;
  for (const NameRule& rule : rules_)
    if (const auto covered = cover(rule.*from, name); covered && covered->length > longest.length) {
      longest = *covered;
      applied = &rule;
    }
  if (!applied) return std::string(name);
  return with_number(applied->*to, longest.number) + std::string(name.substr(longest.length));
}

std::string NameRules::to_official(std::string_view name) const {
  return translate(name, &NameRule::other, &NameRule::official);
}

std::string NameRules::to_other(std::string_view name) const {
  return translate(name, &NameRule::official, &NameRule::other);
}

}  // namespace wf
