// pipeline/text/vocabulary.hpp: the pieces of a model and their scores, packed: 256,000 pieces are 8 MB, not 30.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace wf {

class Vocabulary {
 public:
  void add(std::string_view piece, double score) {
    text_ += piece;
    ends_.push_back(text_.size());
    scores_.push_back(score);
  }
  std::size_t size() const { return scores_.size(); }
  double score(std::size_t id) const { return scores_[id]; }
  std::string_view piece(std::size_t id) const {  ///< valid until the next add()
    const std::size_t begin = id == 0 ? 0 : ends_[id - 1];
    return std::string_view(text_).substr(begin, ends_[id] - begin);
  }

 private:
  std::string text_;  // all pieces, one behind the other
  std::vector<std::size_t> ends_;
  std::vector<double> scores_;
};

}  // namespace wf
