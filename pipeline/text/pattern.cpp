// pipeline/text/pattern.cpp: the parser, and a matcher that works backwards from the last step and character.
#include "pipeline/text/pattern.hpp"

#include <limits>
#include <utility>

#include "base/error.hpp"
#include "pipeline/text/unicode.hpp"

namespace wf {
namespace {

using Accepts = std::function<bool(char32_t)>;

constexpr std::size_t no_match = std::numeric_limits<std::size_t>::max();
constexpr std::size_t max_steps = 200;  // in all alternatives together, after expanding {n,m}

Accepts exactly(char32_t wanted) {
  return [wanted](char32_t c) { return c == wanted; };
}

Accepts negated(Accepts accepts) {
  return [accepts = std::move(accepts)](char32_t c) { return !accepts(c); };
}

bool is_ascii_alphanumeric(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int hex_digit(char32_t c) {
  if (c >= '0' && c <= '9') return static_cast<int>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<int>(c - 'a') + 10;
  return c >= 'A' && c <= 'F' ? static_cast<int>(c - 'A') + 10 : -1;
}

// \w as Oniguruma, which tokenizers uses here, defines it: without the joiners.
bool is_pattern_word(char32_t c) { return is_word(c) && c != 0x200C && c != 0x200D; }

// Whether a line starts at a position; a line break at the very end of a text starts none.
bool line_starts(std::u32string_view text, std::size_t at) {
  return at == 0 || (text[at - 1] == '\n' && at < text.size());
}
bool line_ends(std::u32string_view text, std::size_t at) { return at == text.size() || text[at] == '\n'; }

}  // namespace

class Pattern::Parser {
 public:
  explicit Parser(std::string_view expression)
      : expression_(expression), code_points_(to_code_points(expression)), rest_(code_points_) {}

  std::vector<Sequence> alternatives() {
    std::vector<Sequence> all(1);
    while (!rest_.empty()) {
      if (take('|')) {
        count_steps(1);
        all.emplace_back();
      } else {
        append_step(all.back());
      }
    }
    return all;
  }

 private:
  struct Class {  // the set of characters that one element of the expression matches
    Accepts accepts;
    char32_t single = 0;  // the character, if the set has just one
    bool is_single = false;
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(Error::environment, "the pattern \"" + std::string(expression_) + "\" has " + what);
  }

  bool take(char32_t c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  char32_t next(const char* missing) {
    if (rest_.empty()) fail(missing);
    const char32_t c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  void count_steps(std::size_t more) {
    steps_ += more;
    if (steps_ > max_steps) fail("more steps than " + std::to_string(max_steps));
  }

  void append_step(Sequence& sequence) {
    if (rest_.front() == '^' || rest_.front() == '$') {
      count_steps(1);
      sequence.push_back({{}, Repeat::once, next("") == '^'});
      return;
    }
    const Accepts accepts = one_character();
    const auto [least, most] = repetition();
    if (!rest_.empty() && (rest_.front() == '?' || rest_.front() == '+' || rest_.front() == '*')) {
      fail("a lazy, possessive or second quantifier, which is not supported");
    }
    const std::size_t optional = most == no_match ? 1 : most - least;
    count_steps(least + optional);
    for (std::size_t i = 0; i < least; ++i) sequence.push_back({accepts});
    const Repeat repeat = most == no_match ? Repeat::many : Repeat::optional;
    for (std::size_t i = 0; i < optional; ++i) sequence.push_back({accepts, repeat});
  }

  Accepts one_character() {
    const char32_t c = next("nothing to repeat");
    if (c == '(' || c == ')') fail("a group, which is not supported");
    if (c == '*' || c == '+' || c == '?') fail("a quantifier with nothing before it");
    if (c == '.') return negated(exactly('\n'));
    if (c == '[') return bracket();
    return c == '\\' ? escape().accepts : exactly(c);
  }

  // The quantifier as {least, most}; most is no_match if unbounded. A "{" that begins no quantifier is a character.
  std::pair<std::size_t, std::size_t> repetition() {
    if (take('?')) return {0, 1};
    if (take('*')) return {0, no_match};
    if (take('+')) return {1, no_match};
    const std::u32string_view before = rest_;
    if (!take('{')) return {1, 1};
    const std::size_t least = number();
    const bool range = take(',');
    const std::size_t most = !range ? least : number();
    if (!take('}') || (least == no_match && most == no_match)) {
      rest_ = before;
      return {1, 1};
    }
    if (least != no_match && most < least) fail("a quantifier {n,m} with n > m");
    return {least == no_match ? 0 : least, most};
  }

  std::size_t number() {
    std::size_t value = no_match;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      value = (value == no_match ? 0 : value) * 10 + (rest_.front() - '0');
      if (value > max_steps) fail("more steps than " + std::to_string(max_steps));
      rest_.remove_prefix(1);
    }
    return value;
  }

  Class single(char32_t c) const { return {exactly(c), c, true}; }

  Class escape() {
    const char32_t c = next("a backslash at its end");
    switch (c) {
      case 's':
        return {is_white_space};
      case 'S':
        return {negated(is_white_space)};
      case 'd':
        return {is_digit};
      case 'D':
        return {negated(is_digit)};
      case 'w':
        return {is_pattern_word};
      case 'W':
        return {negated(is_pattern_word)};
      case 't':
        return single('\t');
      case 'n':
        return single('\n');
      case 'r':
        return single('\r');
      case 'f':
        return single('\f');
      case 'v':
        return single('\v');
      case 'x':
        return single(hex(2));
      case 'u':
        return single(hex(4));
      default:
        break;
    }
    if (is_ascii_alphanumeric(c)) fail("\"\\" + to_utf8({&c, 1}) + "\", which is not supported");
    return single(c);
  }

  char32_t hex(std::size_t digits) {
    const bool braces = take('{');
    char32_t value = 0;
    std::size_t read = 0;
    for (; !rest_.empty() && hex_digit(rest_.front()) >= 0 && read < (braces ? 6 : digits); ++read) {
      value = value * 16 + static_cast<char32_t>(hex_digit(next("")));
    }
    if (read == 0 || (braces && !take('}')) || value > 0x10FFFF) fail("a broken character number");
    return value;
  }

  Class bracket_member() {
    const char32_t c = next("\"[\" without \"]\"");
    if (c == '[' || (c == '&' && !rest_.empty() && rest_.front() == '&'))
      fail("a nested class, which is not supported");
    return c == '\\' ? escape() : single(c);
  }

  Accepts bracket() {
    const bool opposite = take('^');
    std::vector<Accepts> members;
    while (members.empty() || !take(']')) {
      const Class first = bracket_member();
      const bool range = first.is_single && rest_.size() > 1 && rest_[0] == '-' && rest_[1] != ']';
      if (!range) {
        members.push_back(first.accepts);
        continue;
      }
      take('-');
      const Class last = bracket_member();
      if (!last.is_single || last.single < first.single) fail("a range that ends before it begins");
      members.push_back([a = first.single, b = last.single](char32_t c) { return c >= a && c <= b; });
    }
    Accepts any = [members = std::move(members)](char32_t c) {
      for (const Accepts& accepts : members) {
        if (accepts(c)) return true;
      }
      return false;
    };
    return opposite ? negated(std::move(any)) : any;
  }

  std::string_view expression_;
  std::u32string code_points_;
  std::u32string_view rest_;
  std::size_t steps_ = 0;
};

Pattern::Pattern(std::string_view expression) : alternatives_(Parser(expression).alternatives()) {}

// The end of the greedy match that starts at each position. ends[p] of a step follows from the next step's ends, and of
// a repeated step also from its own ends[p + 1], so every step examines every character once.
std::vector<std::size_t> Pattern::ends(const Sequence& sequence, std::u32string_view text) {
  std::vector<std::size_t> ends(text.size() + 1);
  for (std::size_t p = 0; p < ends.size(); ++p) ends[p] = p;
  for (auto step = sequence.rbegin(); step != sequence.rend(); ++step) {
    std::vector<std::size_t> longer(ends.size(), no_match);
    for (std::size_t p = ends.size(); p-- > 0;) {
      if (!step->accepts) {
        if (step->at_line_start ? line_starts(text, p) : line_ends(text, p)) longer[p] = ends[p];
        continue;
      }
      if (p < text.size() && step->accepts(text[p])) longer[p] = (step->repeat == Repeat::many ? longer : ends)[p + 1];
      if (longer[p] == no_match && step->repeat != Repeat::once) longer[p] = ends[p];
    }
    ends = std::move(longer);
  }
  return ends;
}

std::string Pattern::replace_all(std::string_view utf8, std::string_view content) const {
  const std::u32string text = to_code_points(utf8);
  std::vector<std::size_t> first_match(text.size() + 1, no_match);  // alternatives are tried in their order
  for (const Sequence& alternative : alternatives_) {
    const std::vector<std::size_t> end = ends(alternative, text);
    for (std::size_t p = 0; p < end.size(); ++p) {
      if (first_match[p] == no_match) first_match[p] = end[p];
    }
  }
  std::string result;
  std::size_t last_end = no_match;
  for (std::size_t p = 0; p <= text.size();) {
    const std::size_t end = first_match[p];
    const bool empty_after_match = end == p && last_end == p;
    if (end != no_match && !empty_after_match) {
      append_limited(result, content);
      last_end = end;
    }
    const bool advance = end == no_match || end == p;
    if (advance && p < text.size()) append_utf8(result, text[p]);
    p = advance ? p + 1 : end;
  }
  return result;
}

}  // namespace wf
