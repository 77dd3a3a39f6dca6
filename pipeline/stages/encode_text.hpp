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

/// The embeddings of the `capacity` texts that were used last (about 250 kB each at the published size). Clips of a
/// list share their negative prompt, and often their prompt. For one thread at a time.
class EmbeddingCache {
 public:
  explicit EmbeddingCache(std::size_t capacity = 4096) : capacity_(capacity) {}
  bool has(const std::string& text) const { return by_text_.contains(text); }
  /// The embeddings of `text`. If the cache does not have them, `make` computes them; when it throws, nothing is kept.
  Embeddings get(const std::string& text, const std::function<Embeddings(const std::string&)>& make);

 private:
  using Entries = std::list<std::pair<std::string, Embeddings>>;
  std::size_t capacity_;
  Entries entries_;  ///< the text used last is at the front
  std::unordered_map<std::string, Entries::iterator> by_text_;
};

}  // namespace wf
