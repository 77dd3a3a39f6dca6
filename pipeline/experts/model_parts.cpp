#include "pipeline/experts/model_parts.hpp"

#include <ATen/ATen.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/error.hpp"
#include "pipeline/model/dit.hpp"

namespace wf {
namespace {

void check_text_width(const Path& text_encoder, std::int64_t output, const Path& expert, std::int64_t input) {
  if (output != input)
    throw Error(Error::environment,
                fmt::format("{} makes embeddings of width {}, {} takes {}: they are of different models",
                            text_encoder.string(), output, expert.string(), input));
}

void warn_of_unused(const Lora& lora, std::vector<std::string>& warnings) {
  const std::vector<std::string>& unused = lora.unused();
  if (unused.empty()) return;
  std::string warning = fmt::format("{}: {} tensors are of no use for either expert: {}{}", lora.file().string(),
                                    unused.size(), unused.front(), unused.size() > 1 ? ", ..." : "");
  // A file that both experts take is warned of once.
  if (std::ranges::find(warnings, warning) == warnings.end()) warnings.push_back(std::move(warning));
}

void read_expert(ModelParts& parts, Expert which) {
  const ExpertFiles& files = parts.files.expert(which);
  const NetworkWeights weights(files, which);
  const DitConfig config = config_of(files, weights);
  check_exact_blocks(parts.exact_blocks, config.num_layers);
  const DitWeights expert =
      load_dit(weights, config, parts.precision, at::kMeta, parts.weights, parts.exact_blocks_of(which));
  check_text_width(parts.files.text_encoder, parts.text_encoder.norm.size(0), files.weights, expert.text_dim);
  for (const Lora& lora : weights.loras()) warn_of_unused(lora, parts.warnings);
  parts.text_len = parts.text_len == 0 ? expert.config.text_len : std::min(parts.text_len, expert.config.text_len);
  parts.is_rounded_to_fp8 |= expert.is_rounded_to_fp8;
  parts.expert = expert.config;
  parts.text_dim = expert.text_dim;
}

/// Bytes that the expert on the device frees for decoding.
std::uint64_t offloaded_bytes(const ModelParts& parts, const Execution& execution) {
  const bool leaves = execution.offload_expert_for_decode && execution.residency != Residency::both;
  return leaves ? device_bytes(parts, execution.streamed_blocks) : 0;
}

/// How this run's VAE convolves.
Convolving convolving(const Execution& execution) {
  return convolving_on(execution.device, execution.capability, execution.vae, execution.tf32);
}

/// Weights that stay on the device through all stages, from one clip to the next.
std::uint64_t kept_bytes(const ModelParts& parts, const Execution& execution) {
  const bool text_stays = execution.keep_text_encoder && execution.text_device == execution.device;
  return (execution.residency == Residency::both ? both_experts_bytes(parts)
                                                 : device_bytes(parts, execution.streamed_blocks)) +
         vae_bytes(parts, execution) + (text_stays ? umt5_bytes_needed(parts.text_encoder, 0) : 0);
}

std::uint64_t text_bytes(const ModelParts& parts, const Execution& execution) {
  if (execution.text_device != execution.device) return 0;
  const std::uint64_t whole = umt5_bytes_needed(parts.text_encoder, parts.text_len);
  if (!execution.keep_text_encoder) return whole;  // the experts are not loaded yet, or have left the device for it
  return kept_bytes(parts, execution) + whole - umt5_bytes_needed(parts.text_encoder, 0);
}

}  // namespace

DitConfig config_of(const ExpertFiles& files, const NetworkWeights& weights) {
  return files.config.empty() ? dit_config_of(weights) : read_dit_config(files.config);
}

ModelParts read_model(const ModelSource& source, Precision precision, WeightForm weights,
                      const ExactBlocks& exact_blocks, at::ScalarType vae) {
  ModelParts parts;
  parts.files = find_model(source);
  parts.id = identity(parts.files);
  parts.precision = precision;
  parts.weights = weights;
  parts.exact_blocks = exact_blocks;
  parts.warnings = doubts(parts.files);
  parts.text_encoder = load_umt5({Network::text_encoder, parts.files.text_encoder}, precision, at::kMeta);
  read_expert(parts, Expert::low);
  read_expert(parts, Expert::high);  // last, so that its sizes are kept
  parts.vae = load_vae({Network::vae, parts.files.vae}, vae, at::kMeta);
  return parts;
}

std::uint64_t expert_bytes(const ModelParts& parts, Expert which) {
  return dit_weight_bytes(parts.expert, parts.text_dim, parts.precision, parts.weights,
                          parts.exact_blocks_of(which).size());
}

std::uint64_t expert_bytes(const ModelParts& parts) {
  return std::max(expert_bytes(parts, Expert::high), expert_bytes(parts, Expert::low));
}

std::uint64_t both_experts_bytes(const ModelParts& parts) {
  return expert_bytes(parts, Expert::high) + expert_bytes(parts, Expert::low);
}

std::uint64_t device_bytes(const ModelParts& parts, Expert which, int streamed) {
  return dit_device_bytes(parts.expert, parts.text_dim, parts.precision, parts.weights,
                          parts.exact_blocks_of(which).size(), streamed);
}

std::uint64_t device_bytes(const ModelParts& parts, int streamed) {
  return std::max(device_bytes(parts, Expert::high, streamed), device_bytes(parts, Expert::low, streamed));
}

std::int64_t token_count(const Job& job) {
  return ((job.frames - 1) / 4 + 1) * static_cast<std::int64_t>(job.height / 16) * (job.width / 16);
}

int batch_of(GuidanceMode mode, Stage stage, const Job& job) {
  return guidance_mode_of(mode, job.saved) == GuidanceMode::batched ? forwards_in(stage, job.guidance) : 1;
}

std::uint64_t residual_bytes(const ModelParts& parts, Stage stage, const Job& job, std::int64_t rows, int branches) {
  if (stage != Stage::high && stage != Stage::low) return 0;
  const bool conditional = !job.saved.conditional.empty();
  const bool unconditional = !job.saved.unconditional.empty() && scale_in(stage, job.guidance);
  const int residuals = (conditional ? 1 : 0) + (unconditional ? 1 : 0);
  return static_cast<std::uint64_t>(std::min(residuals, branches == 2 ? 1 : 2) * rows * parts.expert.dim *
                                    number_bytes(parts.precision));
}

std::uint64_t graph_bytes(const ModelParts& parts, const Execution& execution, Stage stage, const Job& job, int ranks,
                          int shares) {
  const std::int64_t tokens = token_count(job);
  if (!records_forwards(execution, batch_of(execution, stage, job) * tokens, ranks)) return 0;
  return recording_bytes(parts.expert, tokens, (tokens + shares - 1) / shares, forwards_in(stage, job.guidance));
}

int decoding_ranks(const Job& job, bool split_decode, int group_size) {
  return split_decode && job.height / 8 >= group_size ? group_size : 1;
}

std::uint64_t vae_bytes(const ModelParts& parts, const Execution& execution) {
  return decode_bytes_needed(parts, execution, 0, 0);
}

std::uint64_t decode_bytes_needed(const ModelParts& parts, const Execution& execution, std::int64_t height,
                                  std::int64_t width, int ranks) {
  return vae_decode_bytes_needed(parts.vae, height, width, /*latent_frames_per_chunk=*/1, convolving(execution), ranks);
}

std::uint64_t bytes_needed(const ModelParts& parts, const Execution& execution, Stage stage, const Job& job) {
  switch (stage) {
    case Stage::text:
      return text_bytes(parts, execution);
    case Stage::high:
    case Stage::low:
      return kept_bytes(parts, execution) +
             dit_work_bytes(parts.expert, parts.precision, token_count(job), batch_of(execution, stage, job)) +
             graph_bytes(parts, execution, stage, job) + residual_bytes(parts, stage, job, token_count(job));
    case Stage::decode:
      return kept_bytes(parts, execution) - offloaded_bytes(parts, execution) +
             decode_bytes_needed(parts, execution, job.height, job.width) - vae_bytes(parts, execution);
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
