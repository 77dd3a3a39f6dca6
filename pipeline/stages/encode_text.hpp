// pipeline/stages/encode_text.hpp: token ids become embeddings, once for each distinct text.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <unordered_map>
#include <vector>

#include "pipeline/model/umt5.hpp"
#include "pipeline/types.hpp"

namespace wf {

/// Runs the text encoder on token ids ([n], without padding, which would change nothing: docs/models.md). The result is
/// [n, text_dim] in the weights' dtype and on their device. Throws permanent when an element is not finite, environment
/// when an id is outside of the vocabulary.
Embeddings encode_text(const std::vector<std::int64_t>& ids, const Umt5Weights& weights);

/// The embeddings of the texts that were used last: `capacity` bytes of them, and one text. A token takes 8 kB in bf16
/// at the published size, a prompt of 30 tokens 250 kB, so the default holds more than 10,000 of those. Clips of a list
/// share their negative prompt, and often their prompt. For one thread at a time.
class EmbeddingCache {
 public:
  static constexpr std::uint64_t default_capacity = std::uint64_t{4} << 30;
  explicit EmbeddingCache(std::uint64_t capacity = default_capacity) : capacity_(capacity) {}
  std::uint64_t capacity() const { return capacity_; }
  bool has(const std::string& text) const { return by_text_.contains(text); }
  /// The embeddings of `text`. If the cache does not have them, `make` computes them; when it throws, nothing is kept.
  /// Texts that were asked for in a row are all kept if those before the last one take no more than the capacity.
  Embeddings get(const std::string& text, const std::function<Embeddings(const std::string&)>& make);

 private:
  using Entries = std::list<std::pair<std::string, Embeddings>>;
  void drop_last();

  std::uint64_t capacity_, bytes_ = 0;
  Entries entries_;  ///< the text used last is at the front
  std::unordered_map<std::string, Entries::iterator> by_text_;
};

}  // namespace wf
