#include "launcher/planner/memory_model.hpp"

#include <algorithm>
#include <numeric>

#include "launcher/planner/time_model.hpp"
#include "pipeline/model/dit.hpp"

namespace wf {
namespace {

std::uint64_t rows_of(const PlacementPlan& plan, std::int64_t tokens) {
  const auto ranks = static_cast<std::uint64_t>(plan.sequence());
  return (static_cast<std::uint64_t>(tokens) + ranks - 1) / ranks;
}

/// Bytes that denoising takes on each rank of a group. Rows of the DiT are sharded, but the solver works on the whole
/// clip.
std::uint64_t work_bytes(const ModelParts& parts, const PlacementPlan& plan, std::int64_t tokens, int batch) {
  const std::uint64_t rows = rows_of(plan, tokens);
  const std::uint64_t solver = 8 * 4 * static_cast<std::uint64_t>(4 * parts.expert.in_dim);
  return dit_work_bytes(parts.expert, parts.precision, static_cast<std::int64_t>(rows), batch, parts.weights) +
         (static_cast<std::uint64_t>(tokens) - rows) * solver / 4;
}

/// Bytes of communication buffers: Ulysses sends and receives packed q, k and v; ring attention holds two pairs of keys
/// and values and an f32 sum.
std::uint64_t buffer_bytes(const ModelParts& parts, const PlacementPlan& plan, std::int64_t tokens, int batch) {
  const auto number = static_cast<std::uint64_t>(number_bytes(parts.precision));
  const std::uint64_t rows = rows_of(plan, tokens) * static_cast<std::uint64_t>(batch);
  const std::uint64_t plane = rows * static_cast<std::uint64_t>(parts.expert.dim);
  const std::uint64_t ulysses = plan.degrees.ulysses > 1 ? 6 * plane * number : 0;
  const std::uint64_t ring = plan.degrees.ring > 1 ? 4 * plane * number + 4 * plane : 0;
  return ulysses + ring;
}

/// The experts on the device in a stage. On a CPU an offloaded expert takes the same memory, and one more is being
/// copied during an exchange.
MemoryPart experts_in(const ModelParts& parts, const PlacementPlan& plan, const Execution& execution, Stage stage) {
  const bool exchanges = exchanges_experts(plan.mode);
  if (plan.mode == PlacementMode::resident && !plan.draft) return {"both experts", both_experts_bytes(parts)};
  if (exchanges && execution.device.is_cpu())
    return {"a copy and both experts", expert_bytes(parts) + both_experts_bytes(parts)};
  const char* const name = plan.streamed_blocks > 0 ? "a part of an expert" : "an expert";
  if (stage == Stage::decode && plan.offload_expert_for_decode) return {name, 0};
  if (stage != Stage::high && stage != Stage::low) return {name, device_bytes(parts, plan.streamed_blocks)};
  return {name, device_bytes(parts, stage == Stage::high ? Expert::high : Expert::low, plan.streamed_blocks)};
}

/// Bytes that an expert takes on the device while it is loaded to host memory block by block, behind the other one: a
/// block, and twice its largest matrix in f32, in which LoRAs and scales are applied.
std::uint64_t loading_bytes(const ModelParts& parts, const PlacementPlan& plan, const Execution& execution) {
  if (!plan.loads_behind || !exchanges_experts(plan.mode) || execution.device.is_cpu()) return 0;
  const DitConfig& config = parts.expert;
  const std::int64_t matrix = 4 * config.dim * std::max(3 * config.dim, config.ffn_dim);
  return (expert_bytes(parts) / static_cast<std::uint64_t>(config.num_layers)) + static_cast<std::uint64_t>(2 * matrix);
}

/// The parts that stay on the device during the stage, then those that the stage itself needs.
std::vector<MemoryPart> parts_of(const ModelParts& parts, const PlacementPlan& plan, const Pool& pool, Stage stage,
                                 const Job& job, const Execution& execution) {
  const auto has = [&](Stage each) { return std::ranges::find(pool.stages, each) != pool.stages.end(); };
  const std::uint64_t text = umt5_bytes_needed(parts.text_encoder, 0);
  const std::uint64_t text_work = umt5_bytes_needed(parts.text_encoder, parts.text_len) - text;
  if (stage == Stage::text && plan.text == TextPlace::upfront)
    return {{"text encoder", text}, {"work of text", text_work}};
  const std::uint64_t vae = vae_bytes(parts, execution);
  const std::int64_t tokens = token_count(job);
  const bool denoises = stage == Stage::high || stage == Stage::low;
  const bool splits_guidance = plan.degrees.guidance == 2;
  const int batch = batch_of(splits_guidance ? GuidanceMode::two : plan.guidance, stage, job);
  const int decoding = decoding_ranks(job, plan.split_decode, plan.group_size());
  const std::uint64_t decode = decode_bytes_needed(parts, execution, job.height, job.width, decoding) - vae;
  const std::uint64_t graphs = graph_bytes(parts, execution, stage, job, plan.group_size(), plan.sequence());
  const auto rows = static_cast<std::int64_t>(rows_of(plan, tokens));
  return {experts_in(parts, plan, execution, stage),
          {"VAE", has(Stage::decode) ? vae : 0},
          {"text encoder", has(Stage::text) && plan.text == TextPlace::resident ? text : 0},
          {"work of denoising", denoises ? work_bytes(parts, plan, tokens, batch) : 0},
          {"buffers of communication", denoises ? buffer_bytes(parts, plan, tokens, batch) : 0},
          {"CUDA graphs", denoises ? graphs : 0},
          {"residuals of step cache", residual_bytes(parts, stage, job, rows, plan.degrees.guidance)},
          {"loading the next expert", stage == Stage::high ? loading_bytes(parts, plan, execution) : 0},
          {"work of decoding", stage == Stage::decode ? decode : 0},
          {"work of text", stage == Stage::text && plan.text == TextPlace::resident ? text_work : 0}};
}

}  // namespace

std::uint64_t RankMemory::total() const {
  return std::accumulate(parts.begin(), parts.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const MemoryPart& part) { return sum + part.bytes; });
}

RankMemory rank_memory(const ModelParts& parts, const PlacementPlan& plan, const Pool& pool,
                       const std::vector<Job>& jobs, const Execution& execution) {
  RankMemory most;
  for (const Job& job : jobs) {
    for (const Stage stage : pool.stages) {
      RankMemory memory{pool.name, stage, parts_of(parts, plan, pool, stage, job, execution), 0};
      std::erase_if(memory.parts, [](const MemoryPart& part) { return part.bytes == 0; });
      memory.parts.push_back({"margin", execution.device.is_cpu() ? cpu_margin_bytes : margin_bytes});
      if (memory.total() > most.total()) most = std::move(memory);
    }
  }
  return most;
}

std::uint64_t pinned_bytes(const ModelParts& parts, const PlacementPlan& plan, const Execution& execution, int ranks) {
  if (execution.device.is_cpu() || ranks == 0) return 0;
  if (exchanges_experts(plan.mode) && !plan.draft) return both_experts_bytes(parts);
  if (!plan.offload_expert_for_decode) return 0;
  return ranks > 1 && shares_offloaded(plan) ? both_experts_bytes(parts)
                                             : expert_bytes(parts) * static_cast<std::uint64_t>(ranks);
}

std::uint64_t stashed_bytes(const ModelParts& parts, const Job& job) {
  const std::int64_t latents = token_count(job) * 4 * parts.expert.out_dim;  // a token is a patch of 2 x 2
  const std::int64_t texts = std::ssize(texts_of(job)) * parts.text_len * parts.text_dim;
  return static_cast<std::uint64_t>(4 * latents * 4 + texts * number_bytes(parts.precision));
}

}  // namespace wf
