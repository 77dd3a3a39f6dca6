// pipeline/text/unigram.hpp: the Unigram model: of all ways to cut a word into pieces, the one with the best sum of
// scores.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "pipeline/text/byte_trie.hpp"
#include "pipeline/text/vocabulary.hpp"

namespace wf {

class Unigram {
 public:
  /// `unknown`: the id for characters that no piece covers. With `byte_fallback` those become pieces "<0xE7>", if the
  /// vocabulary has all that are needed. Throws environment for a piece that stands in the vocabulary twice.
  Unigram(Vocabulary vocabulary, std::optional<std::uint32_t> unknown, bool byte_fallback);

  /// Appends the ids of one word (valid UTF-8). Bit for bit the rules of Hugging Face's tokenizers: sums in double from
  /// the left, a tie goes to the piece that starts further left, an uncovered character costs the lowest score - 10,
  /// neighbouring unknown characters become one id. Throws environment when `unknown` is needed but not given.
  void append_ids(std::string_view word, std::vector<std::int64_t>& ids) const;

  std::optional<std::uint32_t> find(std::string_view piece) const { return trie_.find(piece); }
  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  struct Step {  // the best way to a position: its last piece
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
