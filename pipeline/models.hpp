// pipeline/models.hpp: the parts of one checkpoint, each read when it is first needed.
#pragma once

#include <optional>
#include <string>

#include "pipeline/encode_text.hpp"
#include "pipeline/execution.hpp"
#include "pipeline/model/dit.hpp"
#include "pipeline/model/umt5.hpp"
#include "pipeline/model/vae.hpp"
#include "pipeline/text/tokenizer.hpp"
#include "pipeline/weights/model_folder.hpp"

namespace wf {

enum class Expert { high, low };

class Models {
 public:
  /// Reads headers alone, of all parts: a missing, truncated or wrongly shaped tensor, or parts that do not fit each
  /// other, throw environment before any clip is begun.
  Models(const Path& folder, Execution execution);

  const std::string& id() const noexcept { return id_; }  ///< model_id
  const Execution& execution() const noexcept { return execution_; }

  /// Each loads its part on first use, in the run's precision, on its device. The reference stays valid until
  /// release().
  const Tokenizer& tokenizer();
  const Umt5Weights& text_encoder();
  const DitWeights& expert(Expert which);
  const VaeWeights& vae();

  /// Embeddings of a text, from the cache when they are there. Throws input for a text of more tokens than the experts
  /// take.
  Embeddings embed(const std::string& text);

 private:
  ModelFolder folder_;
  Execution execution_;
  std::string id_;
  std::int64_t text_len_ = 0;  ///< tokens of a text that the experts take
  EmbeddingCache embeddings_;
  std::optional<Tokenizer> tokenizer_;
  std::optional<Umt5Weights> text_encoder_;
  std::optional<DitWeights> experts_[2];
  std::optional<VaeWeights> vae_;
};

}  // namespace wf
