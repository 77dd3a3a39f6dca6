// pipeline/text/fix_text.cpp: one function per repair; fix_line() applies them in order.
#include "pipeline/text/fix_text.hpp"

#include <string_view>

#include "pipeline/text/html_entities.hpp"
#include "pipeline/text/unicode.hpp"

namespace wf {
namespace {

// Rewrites a text character by character: rewrite(result, character) appends the replacement.
template <class Rewrite>
std::u32string rewritten(std::u32string_view text, Rewrite&& rewrite) {
  std::u32string result;
  result.reserve(text.size());
  for (const char32_t c : text) rewrite(result, c);
  return result;
}

std::u32string read_c1_as_windows_1252(std::u32string_view text) {
  return rewritten(text, [](std::u32string& out, char32_t c) { out += c1_as_windows_1252(c); });
}

// The letters of a Latin ligature or digraph; empty for any other character.
std::u32string_view ligature_letters(char32_t c) {
  constexpr std::u32string_view from_01c4[] = {U"D\u017D", U"D\u017E", U"d\u017E", U"LJ", U"Lj",
                                               U"lj",      U"NJ",      U"Nj",      U"nj"};
  constexpr std::u32string_view from_01f1[] = {U"DZ", U"Dz", U"dz"};
  constexpr std::u32string_view from_fb00[] = {U"ff", U"fi", U"fl", U"ffi", U"ffl", U"\u017Ft", U"st"};
  if (c == 0x132) return U"IJ";
  if (c == 0x133) return U"ij";
  if (c == 0x149) return U"\u02BCn";
  if (c >= 0x1C4 && c <= 0x1CC) return from_01c4[c - 0x1C4];
  if (c >= 0x1F1 && c <= 0x1F3) return from_01f1[c - 0x1F1];
  if (c >= 0xFB00 && c <= 0xFB06) return from_fb00[c - 0xFB00];
  return {};
}

std::u32string take_ligatures_apart(std::u32string_view text) {
  return rewritten(text, [](std::u32string& out, char32_t c) {
    const std::u32string_view letters = ligature_letters(c);
    letters.empty() ? out += c : out += letters;
  });
}

std::u32string make_width_normal(std::u32string_view text) {
  return rewritten(text, [](std::u32string& out, char32_t c) {
    if (c == 0x3000) {
      out += U' ';
    } else if (c >= 0xFF01 && c <= 0xFFEF) {
      out += to_code_points(normalize(to_utf8({&c, 1}), NormalForm::nfkc));
    } else {
      out += c;
    }
  });
}

std::u32string uncurl_quotes(std::u32string_view text) {
  return rewritten(text, [](std::u32string& out, char32_t c) {
    const bool single = c == 0x2BC || (c >= 0x2018 && c <= 0x201B);
    const bool twofold = c >= 0x201C && c <= 0x201F;
    out += single ? U'\'' : twofold ? U'"' : c;
  });
}

std::u32string unify_line_breaks(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    result += c == '\r' || c == 0x2028 || c == 0x2029 || c == 0x85 ? U'\n' : c;
  }
  return result;
}

// Matches terminal colour sequences: ESC [, numbers and semicolons, a letter.
std::size_t terminal_escape_length(std::u32string_view text) {
  if (text.size() < 3 || text[0] != 0x1B || text[1] != '[') return 0;
  std::size_t at = 2;
  while (at < text.size() && (text[at] == ';' || is_digit(text[at]))) ++at;
  if (at == text.size()) return 0;
  const char32_t letter = text[at] | 0x20;
  return text[at] < 0x80 && letter >= 'a' && letter <= 'z' ? at + 1 : 0;
}

std::u32string remove_terminal_escapes(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = terminal_escape_length(text.substr(at));
    if (length == 0) result += text[at];
    at += length == 0 ? 1 : length;
  }
  return result;
}

// C0 controls except tab, line feed, form feed and carriage return; deprecated, annotation and object characters; BOM.
bool is_unwanted_control(char32_t c) {
  const bool c0 = c < 0x20 && c != '\t' && c != '\n' && c != '\f' && c != '\r';
  return c0 || c == 0x7F || (c >= 0x206A && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
}

std::u32string remove_control_characters(std::u32string_view text) {
  return rewritten(text, [](std::u32string& out, char32_t c) {
    if (!is_unwanted_control(c)) out += c;
  });
}

std::u32string compose(std::u32string_view text) { return to_code_points(normalize(to_utf8(text), NormalForm::nfc)); }

std::u32string fix_line(std::u32string_view line, bool is_html) {
  std::u32string text(line);
  for (std::u32string before; text != before;) {
    before = text;
    if (!is_html) text = unescape_certain_html(text);
    text = read_c1_as_windows_1252(text);
    text = take_ligatures_apart(text);
    text = make_width_normal(text);
    text = uncurl_quotes(text);
    text = unify_line_breaks(text);
    text = remove_terminal_escapes(text);
    text = remove_control_characters(text);
    text = compose(text);
  }
  return text;
}

}  // namespace

std::u32string fix_text(std::u32string_view text) {
  std::u32string fixed;
  bool is_html = false;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t newline = text.find(U'\n', start);
    const std::size_t end = newline == text.npos ? text.size() : newline + 1;
    const std::u32string_view line = text.substr(start, end - start);
    is_html = is_html || line.find(U'<') != line.npos;
    fixed += fix_line(line, is_html);
    start = end;
  }
  return fixed;
}

}  // namespace wf
