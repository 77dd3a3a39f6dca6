// pipeline/text/vocabulary.hpp: the pieces of a model and their scores, packed so that 256,000 take 8 MB instead of 30.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace wf {

/// Pieces with scores; the id of a piece is the number of pieces added before it.
class Vocabulary {
 public:
  void add(std::string_view piece, double score) {
    text_ += piece;
    ends_.push_back(text_.size());
    scores_.push_back(score);
  }
  std::size_t size() const { return scores_.size(); }
  double score(std::size_t id) const { return scores_[id]; }
  /// The text of a piece, valid until the next add().
  std::string_view piece(std::size_t id) const {
    const std::size_t begin = id == 0 ? 0 : ends_[id - 1];
    return std::string_view(text_).substr(begin, ends_[id] - begin);
  }

 private:
  std::string text_;  ///< All pieces, concatenated.
  std::vector<std::size_t> ends_;
  std::vector<double> scores_;
};

}  // namespace wf
