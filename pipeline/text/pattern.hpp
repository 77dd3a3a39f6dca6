// pipeline/text/pattern.hpp: the regular expressions of tokenizer files' Replace normalizers, matched in linear time.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace wf {

/// A regular expression with a subset of Oniguruma's syntax: characters, ".", classes [a-z_] and [^...], \s \d \w and
/// their complements, \t \n \r \f \v, \xHH, \uHHHH, \x{H...}, greedy quantifiers ? * + {n} {n,} {n,m}, ^ and $ (of a
/// line), and alternatives with "|" at the top level. Not supported: groups, look-around, back references, lazy and
/// possessive quantifiers.
class Pattern {
 public:
  /// Throws environment (without naming a file) for syntax that is not supported.
  explicit Pattern(std::string_view expression);

  /// Replaces all non-overlapping matches, from the left, by `content`, which is not interpreted.
  std::string replace_all(std::string_view text, std::string_view content) const;

 private:
  enum class Repeat { once, optional, many };  ///< Of one character; "many" is zero or more.
  struct Step {
    std::function<bool(char32_t)> accepts;  ///< Empty for an anchor.
    Repeat repeat = Repeat::once;
    bool at_line_start = false;  ///< Which anchor: ^ if true, else $.
  };
  using Sequence = std::vector<Step>;
  class Parser;

  static std::vector<std::size_t> ends(const Sequence& sequence, std::u32string_view text);

  std::vector<Sequence> alternatives_;
};

}  // namespace wf
