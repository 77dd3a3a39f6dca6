// pipeline/text/pre_tokenizer.cpp: the ways to split a chunk into words.
#include "pipeline/text/pre_tokenizer.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "pipeline/text/unicode.hpp"

namespace wf {
namespace {

struct Metaspace {
  enum class Prepend { always, first, never };
  std::string replacement;
  Prepend prepend;
  bool split;
};

// A word starts at every replacement character, even if two are adjacent.
void cut_before(std::vector<Chunk>& words, const Chunk& chunk, std::string_view replacement) {
  for (std::size_t begin = 0; begin < chunk.text.size();) {
    const std::size_t end = std::min(chunk.text.find(replacement, begin + 1), chunk.text.size());
    words.push_back({chunk.text.substr(begin, end - begin), chunk.at_start && begin == 0});
    begin = end;
  }
}

std::vector<Chunk> mark_spaces(const Metaspace& metaspace, const std::vector<Chunk>& chunks) {
  std::vector<Chunk> words;
  for (const Chunk& chunk : chunks) {
    Chunk marked{{}, chunk.at_start};
    for (const char c : chunk.text) c == ' ' ? marked.text += metaspace.replacement : marked.text += c;
    const bool wanted = metaspace.prepend == Metaspace::Prepend::always ||
                        (metaspace.prepend == Metaspace::Prepend::first && chunk.at_start);
    if (wanted && !marked.text.starts_with(metaspace.replacement)) marked.text.insert(0, metaspace.replacement);
    metaspace.split ? cut_before(words, marked, metaspace.replacement) : words.push_back(std::move(marked));
  }
  return words;
}

enum class Kind { space, word, other };

Kind kind_by_space(char32_t c) { return is_white_space(c) ? Kind::space : Kind::word; }
Kind kind_by_word(char32_t c) { return is_white_space(c) ? Kind::space : is_word(c) ? Kind::word : Kind::other; }

// Splits into runs of one kind of character and drops white space.
std::vector<Chunk> runs(const std::vector<Chunk>& chunks, Kind (*kind_of)(char32_t)) {
  std::vector<Chunk> words;
  for (const Chunk& chunk : chunks) {
    Kind previous = Kind::space;
    for (std::size_t at = 0; at < chunk.text.size();) {
      const std::size_t begin = at;
      const Kind kind = kind_of(next_code_point(chunk.text, at));
      if (kind != Kind::space && kind != previous) words.push_back({{}, chunk.at_start && begin == 0});
      if (kind != Kind::space) words.back().text += chunk.text.substr(begin, at - begin);
      previous = kind;
    }
  }
  return words;
}

Metaspace::Prepend read_prepend(const JsonView& description) {
  const bool add_prefix = description.flag_or("add_prefix_space", true);
  if (!description.has("prepend_scheme")) return add_prefix ? Metaspace::Prepend::always : Metaspace::Prepend::never;
  const JsonView field = description.at("prepend_scheme");
  const std::string scheme = field.text();
  if (scheme != "always" && scheme != "first" && scheme != "never") field.fail("must be always, first or never");
  if (!add_prefix && scheme != "never") field.fail("contradicts add_prefix_space false");
  return scheme == "always"  ? Metaspace::Prepend::always
         : scheme == "first" ? Metaspace::Prepend::first
                             : Metaspace::Prepend::never;
}

PreTokenizer marking(const Metaspace& metaspace) {
  return [metaspace](std::vector<Chunk> chunks) { return mark_spaces(metaspace, chunks); };
}

PreTokenizer read_metaspace(const JsonView& description) {
  const JsonView field = description.at("replacement");
  const Metaspace metaspace{field.text(), read_prepend(description), description.flag_or("split", true)};
  if (to_code_points(metaspace.replacement).size() != 1) field.fail("must be one character");
  return marking(metaspace);
}

PreTokenizer read_sequence(const JsonView& description) {
  const JsonView list = description.at("pretokenizers");
  std::vector<PreTokenizer> steps;
  for (std::size_t i = 0; i < list.size(); ++i) steps.push_back(read_pre_tokenizer(list.at(i)));
  return [steps = std::move(steps)](std::vector<Chunk> chunks) {
    for (const PreTokenizer& step : steps) chunks = step(std::move(chunks));
    return chunks;
  };
}

}  // namespace

PreTokenizer read_pre_tokenizer(const JsonView& description) {
  if (description.is_null()) return [](std::vector<Chunk> chunks) { return chunks; };
  const std::string type = description.type();
  if (type == "Metaspace") return read_metaspace(description);
  if (type == "Sequence") return read_sequence(description);
  if (type == "WhitespaceSplit") return [](std::vector<Chunk> chunks) { return runs(chunks, kind_by_space); };
  if (type == "Whitespace") return [](std::vector<Chunk> chunks) { return runs(chunks, kind_by_word); };
  description.fail("the pre-tokenizer \"" + type + "\" is not supported");
}

PreTokenizer sentencepiece_pre_tokenizer(bool prefix) {
  return marking({"\u2581", prefix ? Metaspace::Prepend::always : Metaspace::Prepend::never, true});
}

}  // namespace wf
