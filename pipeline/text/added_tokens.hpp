// pipeline/text/added_tokens.hpp: added tokens like "</s>", which are found in a text before the Unigram model sees it.
// Source: the added_vocabulary module of Hugging Face's tokenizers.
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

/// One entry of "added_tokens" in a tokenizer.json, or a special piece of a spiece.model.
struct AddedToken {
  std::uint32_t id = 0;
  std::string content;
  bool single_word = false;             ///< Matches only where no word character precedes or follows it.
  bool lstrip = false, rstrip = false;  ///< The match includes the white space before it, after it.
  bool normalized = false;              ///< Searched in the normalized text, in its normalized form.
  bool operator==(const AddedToken&) const = default;
};

/// A part of a text: an added token, or, without an id, the text between two of them.
struct TextPart {
  std::string_view text;
  std::optional<std::uint32_t> id;
};

/// Finds tokens in a text: of all matches the leftmost wins, of those the longest; the search continues after it.
class TokenFinder {
 public:
  TokenFinder() = default;
  /// contents[i] is the text by which tokens[i] is found; of equal contents the first token is found.
  TokenFinder(std::vector<AddedToken> tokens, const std::vector<std::string>& contents);
  /// The text as a sequence of parts, which are views into it.
  std::vector<TextPart> split(std::string_view text) const;

 private:
  const AddedToken* longest_at(std::string_view text, std::size_t& length) const;

  std::vector<AddedToken> tokens_;
  ByteTrie trie_;
};

/// All added tokens of a file, by where they are searched.
struct AddedTokens {
  AddedTokens() = default;
  /// The contents of the tokens must differ.
  AddedTokens(const std::vector<AddedToken>& tokens, const Normalizer& normalizer);

  TokenFinder in_text, in_normalized_text;
  std::map<std::uint32_t, std::string> contents;  ///< Contents by id.
};

/// Reads "added_tokens". Ids are assigned as by Hugging Face's tokenizers: a token of the vocabulary keeps its id, any
/// other gets the next free one, in the order of the list; the "id" in the file is ignored. Throws environment, naming
/// the place in the file, for a token that is empty or listed twice with different flags.
AddedTokens read_added_tokens(const JsonView& list, const Unigram& model, const Normalizer& normalizer);

}  // namespace wf
