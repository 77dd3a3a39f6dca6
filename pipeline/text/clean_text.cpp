// pipeline/text/clean_text.cpp: the steps of the official cleaning, in its order.
#include "pipeline/text/clean_text.hpp"

#include "pipeline/text/fix_text.hpp"
#include "pipeline/text/html_entities.hpp"
#include "pipeline/text/unicode.hpp"

namespace wf {
namespace {

// White space as Python's str.strip() defines it, which includes the four information separators.
bool is_stripped(char32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); }

std::u32string_view strip(std::u32string_view text) {
  while (!text.empty() && is_stripped(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_stripped(text.back())) text.remove_suffix(1);
  return text;
}

std::u32string collapse_white_space(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  bool in_space = false;
  for (const char32_t c : text) {
    const bool space = is_white_space(c);
    if (!space) result += c;
    if (space && !in_space) result += U' ';
    in_space = space;
  }
  return result;
}

}  // namespace

std::string clean_text(std::string_view text) {
  const std::u32string fixed = fix_text(to_code_points(valid_utf8(text)));
  const std::u32string unescaped = unescape_html(unescape_html(fixed));
  return to_utf8(strip(collapse_white_space(strip(unescaped))));
}

}  // namespace wf
