// pipeline/text/added_tokens.cpp: reads the list of added tokens and splits texts at them.
#include "pipeline/text/added_tokens.hpp"

#include <unordered_map>
#include <utility>

#include "pipeline/text/unicode.hpp"

namespace wf {
namespace {

// Returns the code point that ends at `position` and moves `position` to its start.
char32_t previous_code_point(std::string_view text, std::size_t& position) {
  do --position;
  while (position > 0 && (static_cast<unsigned char>(text[position]) & 0xC0) == 0x80);
  std::size_t forward = position;
  return next_code_point(text, forward);
}

bool ends_in_word(std::string_view text) {
  std::size_t at = text.size();
  return at > 0 && is_word(previous_code_point(text, at));
}

bool begins_with_word(std::string_view text) {
  std::size_t at = 0;
  return !text.empty() && is_word(next_code_point(text, at));
}

std::size_t end_without_space(std::string_view text) {
  std::size_t end = text.size();
  for (std::size_t at = end; at > 0 && is_white_space(previous_code_point(text, at));) end = at;
  return end;
}

std::size_t leading_space(std::string_view text) {
  std::size_t length = 0;
  for (std::size_t at = 0; at < text.size() && is_white_space(next_code_point(text, at));) length = at;
  return length;
}

AddedToken read_token(const JsonView& entry) {
  AddedToken token{0,
                   entry.at("content").text(),
                   entry.flag_or("single_word", false),
                   entry.flag_or("lstrip", false),
                   entry.flag_or("rstrip", false),
                   entry.flag_or("normalized", false)};
  if (token.content.empty()) entry.fail("an added token must not be empty");
  return token;
}

TokenFinder finder(const std::vector<AddedToken>& tokens, bool normalized, const Normalizer& normalizer) {
  std::vector<AddedToken> chosen;
  std::vector<std::string> contents;
  for (const AddedToken& token : tokens) {
    if (token.normalized != normalized) continue;
    std::string content = normalized ? normalizer(token.content) : token.content;
    if (content.empty()) continue;  // the normalizer removes this token completely
    chosen.push_back(token);
    contents.push_back(std::move(content));
  }
  return TokenFinder(std::move(chosen), contents);
}

std::vector<std::string_view> views(const std::vector<std::string>& contents) {
  return {contents.begin(), contents.end()};
}

}  // namespace

TokenFinder::TokenFinder(std::vector<AddedToken> tokens, const std::vector<std::string>& contents)
    : tokens_(std::move(tokens)), trie_(views(contents)) {}

const AddedToken* TokenFinder::longest_at(std::string_view text, std::size_t& length) const {
  const AddedToken* longest = nullptr;
  trie_.prefixes(text, [&](std::size_t found_length, std::uint32_t index) {
    longest = &tokens_[index];
    length = found_length;
  });
  return longest;
}

std::vector<TextPart> TokenFinder::split(std::string_view text) const {
  std::vector<TextPart> parts;
  std::size_t rest = 0;  // start of the text that is not in `parts` yet
  for (std::size_t at = 0; at < text.size();) {
    std::size_t length = 0;
    const AddedToken* token = longest_at(text.substr(at), length);
    if (token == nullptr) {
      ++at;
      continue;
    }
    std::size_t begin = at, end = at + length;
    at = end;  // also for a rejected match, whose inside is not searched again
    if (token->single_word && (ends_in_word(text.substr(0, begin)) || begins_with_word(text.substr(end)))) continue;
    if (token->lstrip) begin = begin < rest ? rest : rest + end_without_space(text.substr(rest, begin - rest));
    if (token->rstrip) end += leading_space(text.substr(end));
    if (rest < begin) parts.push_back({text.substr(rest, begin - rest), std::nullopt});
    parts.push_back({text.substr(begin, end - begin), token->id});
    rest = end;
  }
  if (rest < text.size()) parts.push_back({text.substr(rest), std::nullopt});
  return parts;
}

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens, const Normalizer& normalizer)
    : in_text(finder(tokens, false, normalizer)), in_normalized_text(finder(tokens, true, normalizer)) {
  for (const AddedToken& token : tokens) contents.emplace(token.id, token.content);
}

AddedTokens read_added_tokens(const JsonView& list, const Unigram& model, const Normalizer& normalizer) {
  std::vector<AddedToken> tokens;
  std::unordered_map<std::string, AddedToken> seen;
  auto next_id = static_cast<std::uint32_t>(model.vocabulary().size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    AddedToken token = read_token(list.at(i));
    const auto earlier = seen.find(token.content);
    if (earlier != seen.end()) {
      token.id = earlier->second.id;
      if (!(earlier->second == token)) list.at(i).fail("\"" + token.content + "\" is there twice with different flags");
      continue;
    }
    token.id = model.find(token.content).value_or(next_id);
    if (token.id == next_id) ++next_id;
    seen.emplace(token.content, token);
    tokens.push_back(std::move(token));
  }
  return AddedTokens(tokens, normalizer);
}

}  // namespace wf
