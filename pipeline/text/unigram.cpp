// pipeline/text/unigram.cpp: the Viterbi algorithm over the positions of a word.
#include "pipeline/text/unigram.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "pipeline/text/unicode.hpp"

namespace wf {
namespace {

constexpr double unknown_penalty = 10;

std::vector<std::string_view> pieces(const Vocabulary& vocabulary) {
  std::vector<std::string_view> all(vocabulary.size());
  for (std::size_t id = 0; id < all.size(); ++id) all[id] = vocabulary.piece(id);
  return all;
}

double lowest_score(const Vocabulary& vocabulary) {
  double lowest = std::numeric_limits<double>::infinity();
  for (std::size_t id = 0; id < vocabulary.size(); ++id) lowest = std::min(lowest, vocabulary.score(id));
  return lowest;
}

std::string byte_piece(char byte) {
  constexpr char digits[] = "0123456789ABCDEF";
  const auto value = static_cast<unsigned char>(byte);
  return {'<', '0', 'x', digits[value >> 4], digits[value & 15], '>'};
}

}  // namespace

Unigram::Unigram(Vocabulary vocabulary, std::optional<std::uint32_t> unknown, bool byte_fallback)
    : vocabulary_(std::move(vocabulary)),
      trie_(pieces(vocabulary_)),
      unknown_(unknown),
      byte_fallback_(byte_fallback),
      unknown_score_(lowest_score(vocabulary_) - unknown_penalty) {
  if (const auto again = trie_.duplicate()) {
    const std::string piece(vocabulary_.piece(*again));
    throw Error(Error::environment, "the piece \"" + piece + "\" is there twice, as " + std::to_string(*find(piece)) +
                                        " and as " + std::to_string(*again));
  }
}

std::uint32_t Unigram::unknown() const {
  if (!unknown_) throw Error(Error::environment, "a character is not in the vocabulary, and model.unk_id is not given");
  return *unknown_;
}

std::vector<Unigram::Step> Unigram::best_steps(std::string_view word) const {
  std::vector<Step> steps(word.size() + 1);
  const auto offer = [&](std::size_t start, std::size_t end, double score, std::uint32_t id) {
    const double sum = score + steps[start].score;
    if (!steps[end].reached || sum > steps[end].score) steps[end] = {sum, start, id, true};
  };
  for (std::size_t start = 0; start < word.size();) {
    std::size_t next = start;
    next_code_point(word, next);
    bool covered = false;
    trie_.prefixes(word.substr(start), [&](std::size_t length, std::uint32_t id) {
      offer(start, start + length, vocabulary_.score(id), id);
      covered = covered || start + length == next;
    });
    if (!covered) offer(start, next, unknown_score_, unknown());
    start = next;
  }
  return steps;
}

void Unigram::append_ids(std::string_view word, std::vector<std::int64_t>& ids) const {
  const std::vector<Step> steps = best_steps(word);
  std::vector<std::string_view> backwards;
  bool previous_unknown = false;
  for (std::size_t end = word.size(); end > 0; end = steps[end].start) {
    const std::string_view piece = word.substr(steps[end].start, end - steps[end].start);
    const bool is_unknown = steps[end].id == unknown_;
    if (is_unknown && previous_unknown) {  // merged with the unknown characters to its right
      backwards.back() = {piece.data(), piece.size() + backwards.back().size()};
    } else {
      backwards.push_back(piece);
    }
    previous_unknown = is_unknown;
  }
  for (auto piece = backwards.rbegin(); piece != backwards.rend(); ++piece) append_piece(*piece, ids);
}

void Unigram::append_piece(std::string_view piece, std::vector<std::int64_t>& ids) const {
  if (const auto id = trie_.find(piece)) {
    ids.push_back(*id);
  } else if (!byte_fallback_ || !append_bytes(piece, ids)) {
    ids.push_back(unknown());
  }
}

bool Unigram::append_bytes(std::string_view piece, std::vector<std::int64_t>& ids) const {
  std::vector<std::int64_t> bytes;
  for (const char byte : piece) {
    const auto id = trie_.find(byte_piece(byte));
    if (!id) return false;
    bytes.push_back(*id);
  }
  ids.insert(ids.end(), bytes.begin(), bytes.end());
  return true;
}

}  // namespace wf
