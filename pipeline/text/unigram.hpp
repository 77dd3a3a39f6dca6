// pipeline/text/unigram.hpp: the Unigram model, which splits a word into the pieces with the highest sum of scores.
// Source: Kudo, "Subword Regularization", ACL 2018; ties and rounding as in Hugging Face's tokenizers.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "pipeline/text/byte_trie.hpp"
#include "pipeline/text/vocabulary.hpp"

namespace wf {

/// A vocabulary of pieces with scores. Immutable, so safe from several threads.
class Unigram {
 public:
  /// `unknown` is the id for characters that no piece covers. With `byte_fallback` these become byte pieces like
  /// "<0xE7>" instead, if the vocabulary has all of them. Throws environment for a piece that the vocabulary has twice.
  Unigram(Vocabulary vocabulary, std::optional<std::uint32_t> unknown, bool byte_fallback);

  /// Appends the ids of one word (valid UTF-8), by the rules of Hugging Face's tokenizers to the bit: scores are summed
  /// in double from the left, a tie goes to the piece that starts further left, an uncovered character scores 10 below
  /// the lowest score, and adjacent unknown characters become one id. Throws environment when `unknown` is needed but
  /// empty.
  void append_ids(std::string_view word, std::vector<std::int64_t>& ids) const;

  /// The id of a piece; empty if it is not in the vocabulary.
  std::optional<std::uint32_t> find(std::string_view piece) const { return trie_.find(piece); }
  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  struct Step {  ///< The last piece of the best split of the word up to a position.
    double score = 0;
    std::size_t start = 0;
    std::uint32_t id = 0;
    bool reached = false;
  };

  std::vector<Step> best_steps(std::string_view word) const;
  void append_piece(std::string_view piece, std::vector<std::int64_t>& ids) const;
  bool append_bytes(std::string_view piece, std::vector<std::int64_t>& ids) const;
  std::uint32_t unknown() const;

  Vocabulary vocabulary_;
  ByteTrie trie_;
  std::optional<std::uint32_t> unknown_;
  bool byte_fallback_;
  double unknown_score_;
};

}  // namespace wf
