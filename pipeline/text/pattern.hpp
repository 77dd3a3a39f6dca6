// pipeline/text/pattern.hpp: the regular expressions that tokenizer files use in Replace, in linear time.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace wf {

/// Understood: characters, ".", classes [a-z_] and [^...], \s \d \w and their opposites, \t \n \r \f \v, \xHH, \uHHHH,
/// \x{H...}, the quantifiers ? * + {n} {n,} {n,m} (greedy), ^ and $ (of a line), and alternatives with "|" at the top.
/// Not understood: groups, look-around, back references, lazy and possessive quantifiers.
class Pattern {
 public:
  /// Throws environment (without naming a file) for what is not understood.
  explicit Pattern(std::string_view expression);

  /// Every match, from the left and without overlap, becomes `content`, which is taken as it stands.
  std::string replace_all(std::string_view text, std::string_view content) const;

 private:
  enum class Repeat { once, optional, many };  // of one character; "many" may be none
  struct Step {
    std::function<bool(char32_t)> accepts;  // empty: an anchor
    Repeat repeat = Repeat::once;
    bool at_line_start = false;  // which anchor: ^ or $
  };
  using Sequence = std::vector<Step>;
  class Parser;

  static std::vector<std::size_t> ends(const Sequence& sequence, std::u32string_view text);

  std::vector<Sequence> alternatives_;
};

}  // namespace wf
