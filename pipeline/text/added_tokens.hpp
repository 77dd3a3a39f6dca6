// pipeline/text/added_tokens.hpp: tokens like "</s>" that are found in a text before the model sees it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/text/byte_trie.hpp"
#include "pipeline/text/json_view.hpp"
#include "pipeline/text/normalizer.hpp"
#include "pipeline/text/unigram.hpp"

namespace wf {

struct AddedToken {
  std::uint32_t id = 0;
  std::string content;
  bool single_word, lstrip, rstrip;  // only between non-words; takes the white space before it, after it
  bool normalized;                   // looked for in the normalized text, by its own normalized form
  bool operator==(const AddedToken&) const = default;
};

/// Part of a text: an added token, or (without id) text between such tokens.
struct TextPart {
  std::string_view text;
  std::optional<std::uint32_t> id;
};

/// One set of tokens to look for: the longest that starts furthest left wins, then on behind it.
class TokenFinder {
 public:
  TokenFinder() = default;
  /// `contents[i]` is what tokens[i] looks like in the text; where two look the same the first one is found.
  TokenFinder(std::vector<AddedToken> tokens, const std::vector<std::string>& contents);
  std::vector<TextPart> split(std::string_view text) const;

 private:
  const AddedToken* longest_at(std::string_view text, std::size_t& length) const;

  std::vector<AddedToken> tokens_;
  ByteTrie trie_;
};

/// All added tokens of a file.
struct AddedTokens {
  TokenFinder in_text, in_normalized_text;
  std::map<std::uint32_t, std::string> contents;  // by id
};

/// As Hugging Face's tokenizers gives ids: that of the vocabulary where the token is in it, else the next one behind
/// all others, in the order of the list; the "id" in the file is not looked at. Throws environment naming the place for
/// a token that is empty, or there twice with different flags.
AddedTokens read_added_tokens(const JsonView& list, const Unigram& model, const Normalizer& normalizer);

}  // namespace wf
