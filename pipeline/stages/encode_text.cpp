#include "pipeline/stages/encode_text.hpp"

#include <ATen/ATen.h>

#include <utility>

#include "base/error.hpp"

namespace wf {

Embeddings encode_text(const std::vector<std::int64_t>& ids, const Umt5Weights& weights) {
  const at::Tensor text = umt5_encode(weights, ids);
  if (!at::isfinite(text).all().item<bool>())
    throw Error(Error::permanent, "the text encoder made NaN or infinity: its weights are damaged");
  return {text};
}

Embeddings EmbeddingCache::get(const std::string& text, const std::function<Embeddings(const std::string&)>& make) {
  if (const auto found = by_text_.find(text); found != by_text_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->second;
  }
  Embeddings fresh = make(text);
  while (bytes_ > capacity_) drop_last();
  bytes_ += fresh.text.nbytes();
  entries_.emplace_front(text, std::move(fresh));
  by_text_[text] = entries_.begin();
  return entries_.front().second;
}

void EmbeddingCache::drop_last() {
  bytes_ -= entries_.back().second.text.nbytes();
  by_text_.erase(entries_.back().first);
  entries_.pop_back();
}

}  // namespace wf
