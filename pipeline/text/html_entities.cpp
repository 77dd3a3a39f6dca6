// pipeline/text/html_entities.cpp: how references are recognised; the names themselves are in html_entity_table.cpp.
#include "pipeline/text/html_entities.hpp"

#include <algorithm>
#include <optional>
#include <sstream>
#include <unordered_map>

#include "pipeline/text/unicode.hpp"

namespace wf {
namespace {

constexpr std::size_t max_name_length = 32;  // without the ';'

using Entities = std::unordered_map<std::string, std::u32string>;  // "amp;" and "amp"

std::u32string read_characters(const std::string& hex) {
  std::u32string characters;
  std::istringstream numbers(hex);
  for (std::string number; std::getline(numbers, number, '+');) {
    characters += static_cast<char32_t>(std::stoul(number, nullptr, 16));
  }
  return characters;
}

const Entities& entities() {
  static const Entities table = [] {
    Entities entries;
    std::istringstream lines(html_entity_table);
    for (std::string entry; lines >> entry;) {
      const std::size_t mark = entry.find_first_of(";:");
      const std::string name = entry.substr(0, mark);
      const std::u32string characters = read_characters(entry.substr(mark + 1));
      if (entry[mark] == ':') entries.emplace(name, characters);
      entries.emplace(name + ";", characters);
    }
    return entries;
  }();
  return table;
}

const std::u32string* find_entity(const std::string& name) {
  const auto entry = entities().find(name);
  return entry == entities().end() ? nullptr : &entry->second;
}

bool is_decimal(char32_t c) { return c >= '0' && c <= '9'; }
bool is_hex(char32_t c) { return is_decimal(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_ascii_letter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

unsigned hex_value(char32_t c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }

// The character for a numeric reference; empty if HTML 5 forbids it.
std::u32string numbered_character(char32_t number) {
  if (number >= 0x80 && number <= 0x9F) return {c1_as_windows_1252(number)};
  if (number == 0 || (number >= 0xD800 && number <= 0xDFFF) || number > 0x10FFFF) return {replacement_character};
  const bool white = number == '\t' || number == '\n' || number == '\f' || number == '\r';
  const bool control = (number < 0x20 && !white) || number == 0x7F;
  const bool no_character = (number >= 0xFDD0 && number <= 0xFDEF) || (number & 0xFFFE) == 0xFFFE;
  if (control || no_character) return {};
  return {number};
}

struct Reference {
  std::size_t length;  // number of characters that the reference occupies, from the '&'
  std::u32string characters;
};

// The numeric reference ("&#39;" or "&#x27") at the start of `text`.
std::optional<Reference> numeric_reference(std::u32string_view text) {
  const bool hex = text.size() > 2 && (text[2] == 'x' || text[2] == 'X');
  const std::size_t first = hex ? 3 : 2;
  std::size_t at = first;
  char32_t number = 0;
  for (; at < text.size() && (hex ? is_hex(text[at]) : is_decimal(text[at])); ++at) {
    number = std::min<char32_t>(number * (hex ? 16 : 10) + hex_value(text[at]), 0x110000);
  }
  if (at == first) return std::nullopt;
  if (at < text.size() && text[at] == ';') ++at;
  return Reference{at, numbered_character(number)};
}

// The named reference at the start of `text`, or else the longest name valid without ';' there: "&notit" is "¬it".
std::optional<Reference> named_reference(std::u32string_view text) {
  std::string name;
  while (name.size() < max_name_length && 1 + name.size() < text.size() &&
         (is_ascii_letter(text[1 + name.size()]) || is_decimal(text[1 + name.size()]))) {
    name += static_cast<char>(text[1 + name.size()]);
  }
  if (1 + name.size() < text.size() && text[1 + name.size()] == ';') name += ';';
  for (; name.size() > 1; name.pop_back()) {
    if (const auto* characters = find_entity(name)) return Reference{1 + name.size(), *characters};
  }
  return std::nullopt;
}

std::optional<Reference> reference(std::u32string_view text) {
  const bool numeric = text.size() > 1 && text[1] == '#';
  return numeric ? numeric_reference(text) : named_reference(text);
}

// A name in capitals: "&PLUSMN;" is "±", unless HTML itself defines a prefix of the capitals, as in "&AMPX;".
std::optional<std::u32string> capital_entity(std::u32string_view whole) {
  std::string name;
  for (const char32_t c : whole.substr(1)) {
    if (c >= 'a' && c <= 'z') return std::nullopt;
    name += static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
  }
  const auto* characters = find_entity(name);
  if (characters == nullptr || named_reference(whole)) return std::nullopt;
  std::u32string upper;
  for (const char32_t c : *characters) append_uppercase(upper, c);
  return upper;
}

// The length of a match of "&#?[0-9A-Za-z]{1,24};" at the start of `text`, or 0.
std::size_t certain_length(std::u32string_view text) {
  const std::size_t first = text.size() > 1 && text[1] == '#' ? 2 : 1;
  std::size_t at = first;
  while (at < text.size() && at - first < 24 && (is_ascii_letter(text[at]) || is_decimal(text[at]))) ++at;
  return at > first && at < text.size() && text[at] == ';' ? at + 1 : 0;
}

std::optional<Reference> certain_reference(std::u32string_view text) {
  const std::size_t length = certain_length(text);
  if (length == 0) return std::nullopt;
  const std::u32string_view whole = text.substr(0, length);
  if (whole[1] != '#') {
    const std::u32string_view name = whole.substr(1);
    if (const auto* characters = find_entity(std::string(name.begin(), name.end())))
      return Reference{length, *characters};
    if (const auto characters = capital_entity(whole)) return Reference{length, *characters};
    return std::nullopt;
  }
  const auto found = numeric_reference(whole);
  if (!found || found->length != length || found->characters == U";") return std::nullopt;
  return found;
}

template <class Recognise>
std::u32string replace_references(std::u32string_view text, Recognise&& recognise) {
  std::u32string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto found = text[at] == '&' ? recognise(text.substr(at)) : std::nullopt;
    if (found) {
      result += found->characters;
      at += found->length;
    } else {
      result += text[at++];
    }
  }
  return result;
}

}  // namespace

std::u32string unescape_html(std::u32string_view text) { return replace_references(text, reference); }

std::u32string unescape_certain_html(std::u32string_view text) { return replace_references(text, certain_reference); }

}  // namespace wf
