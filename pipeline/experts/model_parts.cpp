#include "pipeline/model_parts.hpp"

#include <ATen/ATen.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "cluster/error.hpp"
#include "pipeline/model/dit.hpp"

namespace wf {
namespace {

void check_text_width(const Path& text_encoder, std::int64_t made, const Path& expert, std::int64_t taken) {
  if (made != taken)
    throw Error(Error::environment,
                fmt::format("{} makes embeddings of width {}, {} takes {}: they are of different models",
                            text_encoder.string(), made, expert.string(), taken));
}

/// Both experts are looked at; sizes are those of the high-noise one.
void read_experts(ModelParts& parts) {
  const ModelFolder& folder = parts.folder;
  for (const Path& path : {folder.low_expert, folder.high_expert}) {
    const DitWeights expert =
        load_dit(Checkpoint(path), read_dit_config(path / "config.json"), parts.precision, at::kMeta);
    check_text_width(folder.text_encoder, parts.text_encoder.norm.size(0), path, expert.text_dim);
    parts.text_len = parts.text_len == 0 ? expert.config.text_len : std::min(parts.text_len, expert.config.text_len);
    parts.expert = expert.config;
    parts.text_dim = expert.text_dim;
  }
}

std::uint64_t expert_bytes(const ModelParts& parts) {
  return dit_weight_bytes(parts.expert, parts.text_dim, parts.precision);
}

/// The expert that is there makes room for decoding.
std::uint64_t left_bytes(const ModelParts& parts, const Execution& execution) {
  return execution.expert_leaves && execution.residency != Residency::both ? expert_bytes(parts) : 0;
}

/// What stays on the device through all stages of a run of several clips.
std::uint64_t kept_bytes(const ModelParts& parts, const Execution& execution) {
  const bool text_stays = execution.keep_text_encoder && execution.text_device == execution.device;
  return (execution.residency == Residency::both ? 2 : 1) * expert_bytes(parts) +
         vae_decode_bytes_needed(parts.vae, 0, 0) + (text_stays ? umt5_bytes_needed(parts.text_encoder, 0) : 0);
}

std::uint64_t text_bytes(const ModelParts& parts, const Execution& execution) {
  if (execution.text_device != execution.device) return 0;
  const std::uint64_t whole = umt5_bytes_needed(parts.text_encoder, parts.text_len);
  if (!execution.keep_text_encoder) return whole;  // it was first on the device, or the others made room
  return kept_bytes(parts, execution) + whole - umt5_bytes_needed(parts.text_encoder, 0);
}

}  // namespace

ModelParts read_model(const Path& folder, Precision precision) {
  ModelParts parts;
  parts.folder = find_model(folder);
  parts.id = identity(parts.folder);
  parts.precision = precision;
  parts.text_encoder = load_umt5(Checkpoint(parts.folder.text_encoder), precision, at::kMeta);
  read_experts(parts);
  parts.vae = load_vae(Checkpoint(parts.folder.vae), at::kFloat, at::kMeta);
  return parts;
}

std::int64_t token_count(const Job& job) {
  return ((job.frames - 1) / 4 + 1) * static_cast<std::int64_t>(job.height / 16) * (job.width / 16);
}

std::uint64_t decode_bytes_needed(const ModelParts& parts, const Execution& execution, std::int64_t height,
                                  std::int64_t width) {
  const bool library_copies = !execution.tf32 && !execution.device.is_cpu();
  return vae_decode_bytes_needed(parts.vae, height, width, /*latent_frames_per_chunk=*/1, library_copies);
}

std::uint64_t bytes_needed(const ModelParts& parts, const Execution& execution, Stage stage, const Job& job) {
  const std::int64_t batch = execution.guidance == GuidanceMode::batched ? 2 : 1;
  switch (stage) {
    case Stage::text:
      return text_bytes(parts, execution);
    case Stage::high:
    case Stage::low:
      return kept_bytes(parts, execution) + dit_work_bytes(parts.expert, parts.precision, token_count(job), batch);
    case Stage::decode:
      return kept_bytes(parts, execution) - left_bytes(parts, execution) +
             decode_bytes_needed(parts, execution, job.height, job.width) - vae_decode_bytes_needed(parts.vae, 0, 0);
    case Stage::write:
      return 0;
  }
  return 0;
}

std::uint64_t peak_bytes_needed(const ModelParts& parts, const Execution& execution, const Job& job) {
  std::uint64_t peak = 0;
  for (const Stage stage : all_stages) peak = std::max(peak, bytes_needed(parts, execution, stage, job));
  return peak;
}

}  // namespace wf
