// pipeline/model_parts.hpp: what is known of a checkpoint from its headers alone, and how much memory its stages take.
#pragma once

#include <cstdint>
#include <string>

#include "jobs/job.hpp"
#include "pipeline/execution.hpp"
#include "pipeline/model/umt5.hpp"
#include "pipeline/model/vae.hpp"
#include "pipeline/stage.hpp"
#include "pipeline/weights/dit_config.hpp"
#include "pipeline/weights/model_folder.hpp"

namespace wf {

/// Weights here have shapes and dtypes but no data (device meta).
struct ModelParts {
  ModelFolder folder;
  std::string id;  ///< model_id
  Precision precision = Precision::reference;
  Umt5Weights text_encoder;
  VaeWeights vae;
  DitConfig expert;           ///< both experts have the same sizes
  std::int64_t text_dim = 0;  ///< width of an embedding
  std::int64_t text_len = 0;  ///< tokens of a text that both experts take

  std::int64_t head_dim() const { return expert.dim / expert.num_heads; }
};

/// Reads headers alone, of all parts: a missing, truncated or wrongly shaped tensor, or parts that do not fit each
/// other, throw environment before any clip is begun.
ModelParts read_model(const Path& folder, Precision precision);

/// Tokens of a forward of a job's clip: t h/2 w/2 of its latents.
std::int64_t token_count(const Job& job);

/// Bytes of tensors on execution.device in one stage of a clip: the weights that the placement keeps there by then, and
/// the stage's own tensors. 0 for `write`, and for a text encoder that runs elsewhere.
std::uint64_t bytes_needed(const ModelParts& parts, const Execution& execution, Stage stage, const Job& job);

/// Of the VAE alone: its weights, and what decoding frames of this size takes.
std::uint64_t decode_bytes_needed(const ModelParts& parts, const Execution& execution, std::int64_t height,
                                  std::int64_t width);

/// The largest of all stages.
std::uint64_t peak_bytes_needed(const ModelParts& parts, const Execution& execution, const Job& job);

}  // namespace wf
