// pipeline/encode_text.hpp: token ids become embeddings, once for each distinct text.
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

/// Runs the text encoder on the real tokens alone: rows of padding would change nothing (docs/models.md).
/// Throws permanent when an embedding is not finite.
Embeddings encode_text(const std::vector<std::int64_t>& ids, const Umt5Weights& weights);

/// Embeddings by text, the `capacity` used last (about 250 kB each at the published size): every clip of a list shares
/// its negative prompt, many share a prompt.
class EmbeddingCache {
 public:
  explicit EmbeddingCache(std::size_t capacity = 4096) : capacity_(capacity) {}
  bool has(const std::string& text) const { return by_text_.contains(text); }
  /// The embeddings of `text`, made by `make` when they are not there.
  Embeddings get(const std::string& text, const std::function<Embeddings(const std::string&)>& make);

 private:
  using Entries = std::list<std::pair<std::string, Embeddings>>;
  std::size_t capacity_;
  Entries entries_;  ///< used last: front
  std::unordered_map<std::string, Entries::iterator> by_text_;
};

}  // namespace wf
