// pipeline/text/normalizer.cpp: the normalizers of Hugging Face's tokenizers that Unigram models use.
#include "pipeline/text/normalizer.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "pipeline/text/charsmap.hpp"
#include "pipeline/text/pattern.hpp"
#include "pipeline/text/unicode.hpp"

namespace wf {
namespace {

template <class Rewrite>
std::string rewritten(std::string_view text, Rewrite&& rewrite) {
  std::u32string result;
  for (const char32_t c : to_code_points(text)) rewrite(result, c);
  return to_utf8(result);
}

template <class Unwanted>
std::string without(std::string_view text, Unwanted&& unwanted) {
  return rewritten(text, [&](std::u32string& out, char32_t c) {
    if (!unwanted(c)) out += c;
  });
}

Normalizer to_form(NormalForm form) {
  return [form](std::string text) { return normalize(text, form); };
}

std::string lowercase(std::string_view text) { return rewritten(text, append_lowercase); }

// SentencePiece's nmt rules: drops control characters and turns all kinds of white space into spaces.
std::string clean_as_nmt(std::string_view text) {
  return rewritten(text, [](std::u32string& out, char32_t c) {
    const bool dropped =
        (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
    const bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
                       (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF ||
                       c == 0xFFFD;
    if (!dropped) out += space ? U' ' : c;
  });
}

std::string strip(std::string_view text, bool left, bool right) {
  const std::u32string characters = to_code_points(text);
  auto begin = characters.begin(), end = characters.end();
  while (left && begin != end && is_white_space(*begin)) ++begin;
  while (right && begin != end && is_white_space(end[-1])) --end;
  return to_utf8({begin, end});
}

std::string replace_all(std::string_view text, std::string_view old, std::string_view content) {
  std::string result;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t found = std::min(text.find(old, at), text.size());
    result += text.substr(at, found - at);
    if (found < text.size()) append_limited(result, content);
    at = found + old.size();
  }
  return result;
}

bool is_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

std::string clean_as_bert(std::string_view text) {
  return rewritten(text, [](std::u32string& out, char32_t c) {
    const bool kept_control = c == '\t' || c == '\n' || c == '\r';
    if (c == 0 || c == replacement_character || (is_control(c) && !kept_control)) return;
    out += is_white_space(c) ? U' ' : c;
  });
}

std::string space_around_chinese(std::string_view text) {
  return rewritten(text, [](std::u32string& out, char32_t c) {
    if (is_chinese(c)) out += U' ';
    out += c;
    if (is_chinese(c)) out += U' ';
  });
}

Normalizer read_sequence(const JsonView& description) {
  const JsonView list = description.at("normalizers");
  std::vector<Normalizer> steps;
  for (std::size_t i = 0; i < list.size(); ++i) steps.push_back(read_normalizer(list.at(i)));
  return [steps = std::move(steps)](std::string text) {
    for (const Normalizer& step : steps) text = step(std::move(text));
    return text;
  };
}

Normalizer read_precompiled(const JsonView& description) {
  const JsonView field = description.at("precompiled_charsmap");
  const auto bytes = decode_base64(field.text());
  if (!bytes) field.fail("is not base64");
  try {
    return precompiled(*bytes);
  } catch (const Error& error) {
    field.fail(error.what());
  }
}

Normalizer read_strip(const JsonView& description) {
  const bool left = description.at("strip_left").flag(), right = description.at("strip_right").flag();
  return [left, right](std::string text) { return strip(text, left, right); };
}

Normalizer read_prepend(const JsonView& description) {
  return [prefix = description.at("prepend").text()](std::string text) { return text.empty() ? text : prefix + text; };
}

Normalizer read_replace(const JsonView& description) {
  const JsonView pattern = description.at("pattern");
  const std::string content = description.at("content").text();
  if (pattern.has("String")) {
    const std::string old = pattern.at("String").text();
    if (old.empty()) pattern.fail("must not be empty");
    return [old, content](std::string text) { return replace_all(text, old, content); };
  }
  const JsonView field = pattern.at("Regex");
  const std::string expression = field.text();
  try {
    return [parsed = Pattern(expression), content](std::string text) { return parsed.replace_all(text, content); };
  } catch (const Error& error) {
    field.fail(error.what());
  }
}

Normalizer read_bert(const JsonView& description) {
  const bool clean = description.flag_or("clean_text", true);
  const bool chinese = description.flag_or("handle_chinese_chars", true);
  const bool lower = description.flag_or("lowercase", true);
  const bool accents = description.flag_or("strip_accents", lower);
  return [=](std::string text) {
    if (clean) text = clean_as_bert(text);
    if (chinese) text = space_around_chinese(text);
    if (accents) text = without(normalize(text, NormalForm::nfd), is_nonspacing_mark);
    return lower ? lowercase(text) : text;
  };
}

using Reader = std::function<Normalizer(const JsonView&)>;

Reader plain(Normalizer normalizer) {
  return [normalizer = std::move(normalizer)](const JsonView&) { return normalizer; };
}

}  // namespace

Normalizer precompiled(std::string_view charsmap) {
  return [map = Charsmap(charsmap)](std::string text) { return map.apply(text); };
}

Normalizer read_normalizer(const JsonView& description) {
  static const std::map<std::string, Reader> readers = {
      {"Sequence", read_sequence},
      {"Precompiled", read_precompiled},
      {"NFC", plain(to_form(NormalForm::nfc))},
      {"NFD", plain(to_form(NormalForm::nfd))},
      {"NFKC", plain(to_form(NormalForm::nfkc))},
      {"NFKD", plain(to_form(NormalForm::nfkd))},
      {"Nmt", plain(clean_as_nmt)},
      {"Lowercase", plain(lowercase)},
      {"Strip", read_strip},
      {"StripAccents", plain([](std::string text) { return without(text, is_mark); })},
      {"Prepend", read_prepend},
      {"Replace", read_replace},
      {"BertNormalizer", read_bert},
  };
  if (description.is_null()) return [](std::string text) { return text; };
  const auto reader = readers.find(description.type());
  if (reader == readers.end()) description.fail("the normalizer \"" + description.type() + "\" is not supported");
  return reader->second(description);
}

}  // namespace wf
