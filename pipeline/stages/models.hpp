// pipeline/models.hpp: the parts of one checkpoint, each read when it is first needed.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "parallel/lender.hpp"
#include "pipeline/encode_text.hpp"
#include "pipeline/execution.hpp"
#include "pipeline/experts.hpp"
#include "pipeline/model/umt5.hpp"
#include "pipeline/model/vae.hpp"
#include "pipeline/model_parts.hpp"
#include "pipeline/text/tokenizer.hpp"

namespace wf {

/// What a checkpoint's files hold.
enum class Part { text_encoder, high_expert, low_expert, vae };

class Models {
 public:
  /// parts.precision must be the execution's. Sets TF32 for the process as the execution asks.
  Models(ModelParts parts, Execution execution);
  Models(const Path& folder, const Execution& execution) : Models(read_model(folder, execution.precision), execution) {}

  const std::string& id() const noexcept { return parts_.id; }  ///< model_id
  const ModelParts& parts() const noexcept { return parts_; }
  const Execution& execution() const noexcept { return execution_; }
  const std::string& attention_name() const noexcept { return attention_name_; }  ///< "given": it was not chosen here

  /// Each loads its part on first use, in the run's precision, on its device. The reference stays valid until
  /// the placement needs the room: an expert's until the other one is used, all until embed().
  const Tokenizer& tokenizer();
  const Umt5Weights& text_encoder() { return text_encoder(nullptr); }
  const DitWeights& expert(Expert which) { return expert(which, nullptr, nullptr); }
  const VaeWeights& vae() { return vae(nullptr); }
  const Experts::Traffic& exchanged() const noexcept { return experts_.traffic(); }

  /// The same where another rank of the machine may have that expert: it comes from its GPU if that can be.
  const DitWeights& expert(Expert which, const Lender& lender) { return expert(which, nullptr, &lender); }
  /// That rank's side: an expert that is on the device now. For any thread.
  Lent lend(Expert which) const;

  /// Loads a part before its first use, together with the ranks of `node`: all of them call, none has the part, and
  /// each byte of its files is read by one of them. It makes others leave the device as its use would, so what is
  /// needed first is loaded last. An exception is thrown on all of them, as by NodeReader::share().
  void load_ahead(Part part, NodeReader& node);

  /// Embeddings of a text on the CPU, from the cache when they are there. Throws input for a text of more tokens than
  /// the experts take. For any thread where the text encoder has a device of its own.
  Embeddings embed(const std::string& text);

  /// Embeds texts ahead of their use, so that a text encoder that does not stay is loaded once for all of them. Texts
  /// that cannot be embedded are left to embed() and its error.
  void embed_ahead(const std::vector<std::string>& texts);
  bool is_embedded(const std::string& text) const;

 private:
  // The same, read together with other ranks if it is not there yet.
  const Umt5Weights& text_encoder(NodeReader* together);
  const DitWeights& expert(Expert which, NodeReader* together, const Lender* lender);
  const VaeWeights& vae(NodeReader* together);

  Embeddings encode(const std::string& text);
  void release_text_encoder();

  ModelParts parts_;
  Execution execution_;
  std::string attention_name_ = "given";
  mutable std::mutex embedding_;
  EmbeddingCache embeddings_;
  Experts experts_;
  std::optional<Tokenizer> tokenizer_;
  std::optional<Umt5Weights> text_encoder_;
  std::optional<VaeWeights> vae_;
};

}  // namespace wf
