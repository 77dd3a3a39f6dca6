#include "jobs/list/suggest.hpp"

#include <algorithm>
#include <vector>

namespace wf {
namespace {

/// Damerau-Levenshtein distance in its "optimal string alignment" form: insertions, deletions, replacements and swaps
/// of two neighbours.
std::size_t slips(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if ('A' <= c && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

}  // namespace

std::string_view nearest_word(std::string_view typed, std::span<const std::string_view> known) {
  constexpr std::size_t max_size = 40, min_beginning = 4;
  if (typed.size() > max_size) return "";
  const std::string word = lower(typed);
  std::string_view nearest;
  std::size_t fewest = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    const bool beginning = std::min(word.size(), candidate.size()) >= min_beginning &&
                           (word.starts_with(candidate) || candidate.starts_with(word));
    const std::size_t count = beginning ? std::min<std::size_t>(1, slips(word, candidate)) : slips(word, candidate);
    if (count < fewest) {
      fewest = count;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string did_you_mean(std::string_view typed, std::span<const std::string_view> known) {
  if (const auto word = nearest_word(typed, known); !word.empty()) return "(did you mean '" + std::string(word) + "'?)";
  std::string words;
  for (const std::string_view word : known) words += (words.empty() ? "" : ", ") + std::string(word);
  return "(known: " + words + ")";
}

}  // namespace wf
