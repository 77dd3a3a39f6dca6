// pipeline/experts/model_parts.hpp: what the headers of a checkpoint tell about a model, and the memory that its stages
// need.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jobs/job.hpp"
#include "jobs/schedule/stage.hpp"
#include "pipeline/execution.hpp"
#include "pipeline/model/umt5.hpp"
#include "pipeline/model/vae.hpp"
#include "pipeline/weights/dit_config.hpp"
#include "pipeline/weights/model_files.hpp"

namespace wf {

/// The blocks of one expert.
inline const BlockNumbers& blocks_of(const ExactBlocks& blocks, Expert which) {
  return which == Expert::high ? blocks.high : blocks.low;
}

/// A model without its data: the weights have shapes and dtypes only (device meta).
struct ModelParts {
  ModelFiles files;
  std::string id;  ///< identity() of the files, the model_id of fingerprints and sidecars
  Precision precision = Precision::reference;
  WeightForm weights = WeightForm::as_computed;  ///< of the experts on the device: as_computed or fp8
  ExactBlocks exact_blocks = {};                 ///< of which the experts have all
  /// Whether some matrix of an expert is rounded to 8 bits that its file has in more, so that clips differ from those
  /// with WeightForm::as_computed.
  bool is_rounded_to_fp8 = false;
  std::vector<std::string> warnings;  ///< sentences on what is probably a mistake: doubts(), unused names of LoRAs
  Umt5Weights text_encoder;
  VaeWeights vae;             ///< the decoder, which is all that rendering loads
  DitConfig expert;           ///< sizes of the high-noise expert; the low-noise one has the same
  std::int64_t text_dim = 0;  ///< width of an embedding
  std::int64_t text_len = 0;  ///< most tokens of a text that both experts accept

  std::int64_t head_dim() const { return expert.dim / expert.num_heads; }
  const BlockNumbers& exact_blocks_of(Expert which) const { return blocks_of(exact_blocks, which); }
};

/// Reads the headers of all parts, and no weights. A tensor that is missing, truncated or of the wrong shape, or parts
/// that do not fit each other, throw environment, so that a broken checkpoint is found before the first clip; so does
/// find_model(). Throws input for exact blocks that the experts do not have.
ModelParts read_model(const ModelSource& source, Precision precision, WeightForm weights = WeightForm::as_computed,
                      const ExactBlocks& exact_blocks = {}, at::ScalarType vae = at::kFloat);
/// For a run that computes in this way.
inline ModelParts read_model(const ModelSource& source, const Execution& execution) {
  return read_model(source, execution.precision, execution.weights, execution.exact_blocks, execution.vae);
}

/// The sizes of an expert: those of its config.json, or else those that its tensors tell.
DitConfig config_of(const ExpertFiles& files, const NetworkWeights& weights);

/// Bytes of an expert's weights on its device; of the larger one, where exact blocks make them differ; of both.
std::uint64_t expert_bytes(const ModelParts& parts, Expert which);
std::uint64_t expert_bytes(const ModelParts& parts);
std::uint64_t both_experts_bytes(const ModelParts& parts);
/// The part of expert_bytes() that is on the device where `streamed` blocks wait in host memory.
std::uint64_t device_bytes(const ModelParts& parts, Expert which, int streamed);
std::uint64_t device_bytes(const ModelParts& parts, int streamed);

/// Tokens of one sample of the job's clip: t x h/2 x w/2 for latents [16, t, h, w].
std::int64_t token_count(const Job& job);

/// How both guidance branches of a clip are computed where `mode` is planned: never batched where forwards are saved,
/// for a batch cannot leave out one of them.
inline GuidanceMode guidance_mode_of(GuidanceMode mode, const SavedForwards& saved) {
  return saved.any() ? GuidanceMode::two : mode;
}

/// Samples in one forward of the stage `high` or `low` of the job's clip by ranks that compute both guidance branches:
/// 2 where guidance_mode_of() the clip is batched and the expert guided.
int batch_of(GuidanceMode mode, Stage stage, const Job& job);
inline int batch_of(const Execution& execution, Stage stage, const Job& job) {
  return batch_of(execution.guidance, stage, job);
}

/// Bytes of the residuals that saved forwards of the job's clip are made with, on a rank that owns `rows` rows of
/// tokens: one for each guidance branch with saved forwards. Where each of two `branches` has ranks of its own, a rank
/// has that of one branch. 0 in other stages than `high` and `low`.
std::uint64_t residual_bytes(const ModelParts& parts, Stage stage, const Job& job, std::int64_t rows, int branches = 1);

/// Bytes that recording the forwards of a stage of the job's clip takes on each of `ranks` ranks that share it, and of
/// `shares` that divide its rows; 0 where they are not recorded.
std::uint64_t graph_bytes(const ModelParts& parts, const Execution& execution, Stage stage, const Job& job,
                          int ranks = 1, int shares = 1);

/// Most bytes of tensors on execution.device during one stage of the job's clip, computed by this rank alone: the
/// weights that the placement keeps there in a run of several clips, and the stage's own tensors. 0 for `write`, and
/// for `text` where the text encoder runs on another device.
std::uint64_t bytes_needed(const ModelParts& parts, const Execution& execution, Stage stage, const Job& job);

/// How many of a group's ranks decode the job's clip: all, if that is wanted (split_decode) and each gets a row of its
/// latents, or else one.
int decoding_ranks(const Job& job, bool split_decode, int group_size);

/// Bytes of the VAE decoder's weights on their device.
std::uint64_t vae_bytes(const ModelParts& parts, const Execution& execution);
/// Most bytes of tensors that decoding frames of height x width pixels takes on one of `ranks` ranks, the VAE decoder's
/// weights included.
std::uint64_t decode_bytes_needed(const ModelParts& parts, const Execution& execution, std::int64_t height,
                                  std::int64_t width, int ranks = 1);

/// The largest bytes_needed() of all stages.
std::uint64_t peak_bytes_needed(const ModelParts& parts, const Execution& execution, const Job& job);

}  // namespace wf
