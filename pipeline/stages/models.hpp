// pipeline/stages/models.hpp: the four networks of one checkpoint, each loaded when it is first needed and kept where
// the run's Execution says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "parallel/shared_host_memory.hpp"
#include "parallel/weight_lease.hpp"
#include "pipeline/execution.hpp"
#include "pipeline/experts/expert_cache.hpp"
#include "pipeline/experts/experts.hpp"
#include "pipeline/experts/model_parts.hpp"
#include "pipeline/model/umt5.hpp"
#include "pipeline/model/vae.hpp"
#include "pipeline/stages/encode_text.hpp"
#include "pipeline/text/tokenizer.hpp"

namespace wf {

/// The networks of a checkpoint: each has files of its own and is loaded as a whole. Of the VAE only the decoder is
/// loaded.
enum class Part { text_encoder, high_expert, low_expert, vae };

/// A checkpoint as one rank uses it.
///
/// Threads: one thread, the one that computes clips, owns the object and may call everything. Other threads may call
/// lease() and is_embedded() at any time, and embed() and embed_ahead() where the text encoder runs on another device
/// than the experts and stays there (Execution::keep_text_encoder).
///
/// Errors: loading throws Error(environment) naming file and tensor, and c10::OutOfMemoryError when the device is full
/// (advance() makes an Error of it). A part that failed to load is loaded again at its next use.
class Models {
 public:
  /// `parts` must have been read for `execution`. No weights are loaded yet. Turns TF32
  /// on or off in the whole process, and throws environment when the attention backend that was asked for cannot be
  /// used here. embeddings: bytes of embeddings that are kept in host memory (EmbeddingCache).
  Models(ModelParts parts, Execution execution, std::uint64_t embeddings = EmbeddingCache::default_capacity);
  /// Reads the headers of the model's files first, with the errors of read_model().
  Models(const ModelSource& source, const Execution& execution) : Models(read_model(source, execution), execution) {}

  ~Models() { experts_.end_loading_behind(); }  // it uses the cache, which goes before the experts

  const std::string& id() const noexcept { return parts_.id; }  ///< identifies the weights, in fingerprints
  const ModelParts& parts() const noexcept { return parts_; }
  const Execution& execution() const noexcept { return execution_; }  ///< with its attention chosen
  /// The attention backend that was chosen: "math", "cudnn", "fa3"; "given" where the Execution came with its own.
  const std::string& attention_name() const noexcept { return attention_name_; }

  const Tokenizer& tokenizer();
  /// The text encoder, loaded at its first use onto execution.text_device. Unless it is kept, the experts leave the
  /// device for it, and the reference is valid until an expert is used or embed_ahead() returns.
  const Umt5Weights& text_encoder() { return text_encoder(nullptr); }
  /// An expert, loaded at its first use onto execution.device. The reference stays valid until the other expert is used
  /// (not with Residency::both) or the expert makes room for the text encoder or for decoding. With Residency::both one
  /// that made room is loaded again.
  const DitWeights& expert(Expert which) { return expert(which, nullptr, nullptr); }
  /// The VAE's decoder in f32, loaded at its first use onto execution.device. With offload_expert_for_decode, every
  /// call first moves the expert on the device to host memory.
  const VaeWeights& vae() { return vae(nullptr); }

  /// expert(which), copied from the GPU of `peer`, another rank of this node, if that rank has the expert and lets it
  /// be copied; otherwise loaded from its files.
  const DitWeights& expert(Expert which, const WeightPeer& peer) { return expert(which, nullptr, &peer); }

  /// Lets a peer copy an expert: handles of its memory, and a lease that keeps it on the device. An empty lease when
  /// the expert is not on the device or cannot be shared. Any thread may call this.
  WeightLease lease(Expert which) const;

  /// The memory that a copy of each of these experts takes on the host. Reads the headers of their files.
  std::vector<WantedMemory> host_copies(const std::vector<Expert>& experts) const;
  /// Keeps the copies of the experts in these blocks, which other ranks of the node may share; before an expert is
  /// used. Copies that stay are pinned from now on beside other work, in this order: of both experts where they are
  /// exchanged, of those that may leave for decoding with Residency::one. With Residency::both, for one that
  /// load_behind() will load: it is read from its files by one of the ranks.
  void keep_copies_in(const std::vector<std::shared_ptr<HostMemory>>& blocks, const std::vector<Expert>& experts);
  /// The same with blocks of this process alone. Otherwise the first use of an expert does it where they are exchanged.
  void keep_copies_alone(const std::vector<Expert>& experts);

  /// Begins to load an expert while the other one is used: Experts::load_behind(). An error is that of its next use.
  void load_behind(Expert which) { experts_.load_behind(which); }

  /// Bytes and seconds of all uploads of experts from pinned host memory so far.
  const Experts::Traffic& exchanged() const noexcept { return experts_.traffic(); }

  /// The copies of experts for later starts (expert_cache.hpp) that are not complete are given up, so that the
  /// destructor does not wait for them. Any thread may call this.
  void abandon_copies() noexcept { cache_.abandon(); }

  /// Loads a part before its first use, together with the ranks of `node`. Collective over them: all call it, none has
  /// the part yet, and each byte of the files is read by one of them only. Other parts leave the device as they would
  /// at the part's use, so load the part that is needed first last. An exception on one rank is thrown on all of them
  /// (see NodeReader::together()). For the computing thread, before the first clip.
  void load_ahead(Part part, NodeReader& node);

  /// The embeddings of a text, on the CPU, from a cache of texts or else computed. Throws input when the text has more
  /// tokens than the experts accept, permanent when an embedding is not finite.
  Embeddings embed(const std::string& text);

  /// Embeds these texts in their order until all are done, the cache is full of them or go_on() is false, then drops
  /// the text encoder unless it is kept: it is loaded once for all of them. None of them leaves the cache for another
  /// one of them. A text that cannot be embedded is skipped; embed() will report its error to the clip that needs it.
  void embed_ahead(const std::vector<std::string>& texts, const std::function<bool()>& go_on = {});

  /// Whether the cache has the text, so that embed() would not need the text encoder. Any thread may call this, but
  /// waits while another one embeds.
  bool is_embedded(const std::string& text) const;

 private:
  // The public functions of these names; with `together`, a part that is not there yet is read with other ranks.
  const Umt5Weights& text_encoder(NodeReader* together);
  const DitWeights& expert(Expert which, NodeReader* together, const WeightPeer* peer);
  const VaeWeights& vae(NodeReader* together);

  DitWeights like_in_files(Expert which) const;
  Embeddings encode(const std::string& text);
  void release_text_encoder();

  ModelParts parts_;
  Execution execution_;
  std::string attention_name_ = "given";
  mutable std::mutex embedding_;  ///< guards embeddings_, and the tokenizer and text encoder while embed() uses them
  EmbeddingCache embeddings_;
  Experts experts_;
  ExpertCache cache_;  ///< after what it reads
  bool has_places_for_copies_ = false;
  std::optional<Tokenizer> tokenizer_;
  std::optional<Umt5Weights> text_encoder_;
  std::optional<VaeWeights> vae_;
};

}  // namespace wf
