#include "launcher/planner/time_model.hpp"

#include <algorithm>

#include "jobs/schedule/clip_shape.hpp"
#include "parallel/shard.hpp"
#include "pipeline/model/cost.hpp"
#include "pipeline/model/dit.hpp"
#include "pipeline/stages/solver.hpp"

namespace wf {
namespace {

constexpr double pin_rate = 4.5e9;  ///< Bytes pinned in a second: measured, 58.0 GB in 12.8 s by ranks that share them.
constexpr double cpu_flops = 3e11;  ///< Operations a second of a text encoder on the host: estimated.
constexpr std::int64_t text_tokens = 128;  ///< Tokens of both texts of a clip together: estimated.

/// The published experts, for which hardware figures hold.
constexpr DitConfig published{.dim = 5120, .ffn_dim = 13824, .num_heads = 40, .num_layers = 40};

/// Operations of the published decoder for a pixel and of its text encoder for a clip, as counted by the functions
/// below.
constexpr double published_pixel_flops = 8.512e6, published_text_flops = 1.192e12;

/// part / whole, and 0 of nothing.
double ratio(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

/// whole / parts, rounded up.
double up(std::int64_t whole, std::int64_t parts) { return static_cast<double>((whole + parts - 1) / parts); }

/// Operations of a forward for each token, without self-attention.
double linear_flops(const DitConfig& config, std::int64_t text_len) {
  const DitFlops flops = dit_flops(config, 1, text_len);
  return static_cast<double>(flops.linears + flops.cross_attention);
}
/// Operations of self-attention for each pair of tokens.
double pair_flops(const DitConfig& config) { return 4.0 * static_cast<double>(config.num_layers * config.dim); }

/// Operations of decoding for each pixel of a frame.
double pixel_flops(const VaeWeights& vae) {
  constexpr std::int64_t latent_frames = 21, height = 480, width = 832;
  constexpr double pixels = static_cast<double>((4 * latent_frames - 3) * height * width);
  return static_cast<double>(vae_decode_flops(vae, latent_frames, height, width).total()) / pixels;
}
double text_flops(const Umt5Weights& text) { return static_cast<double>(umt5_flops(text, text_tokens)); }

/// Measured on an H200 (docs/performance.md).
PrecisionFactors factors_of(Precision precision, const GpuFigures& gpu) {
  if (gpu.is_cpu()) return {1, 1};  // its figures are those of `reference`; nobody plans for the others
  switch (precision) {
    case Precision::reference:
      return {gpu.f32_factor, gpu.f32_factor};
    case Precision::exact:
      return {1, 1};
    case Precision::fp8_ffn:
      return {0.79, 1};
    case Precision::fp8_linear:
      return {0.575, 1};
    case Precision::fp8:
      return {0.58, 0.76};
  }
  return {1, 1};
}

/// Whether clips have products of 8-bit numbers. Those of linear layers are as the model was read for.
bool has_8_bit_products(const ModelParts& parts, const Execution& execution) {
  return multiplies_in_fp8(parts.precision) || attends_in_fp8(execution);
}

/// An expert's forwards in most steps. In exact blocks they have no products of 8-bit numbers.
PrecisionFactors usual_factors(const Hardware& hardware, const ModelParts& parts, const Execution& execution,
                               Expert which) {
  PrecisionFactors factors = factors_of(parts.precision, hardware.gpu);
  if (attends_in_fp8(execution) && !hardware.gpu.is_cpu()) factors.pair = factors_of(Precision::fp8, hardware.gpu).pair;
  if (!has_8_bit_products(parts, execution)) return factors;
  const double in_8_bits = 1 - ratio(std::ssize(parts.exact_blocks_of(which)), parts.expert.num_layers);
  return {1 + (factors.token - 1) * in_8_bits, 1 + (factors.pair - 1) * in_8_bits};
}

/// Rate, in bytes a second, of the link between `ranks` consecutive ranks, which may span nodes.
double link_rate(const Hardware& hardware, int ranks) {
  return hardware.inside_a_node(ranks) ? hardware.gpu.node_rate : hardware.gpu.world_rate;
}

/// Seconds of communication of one rank in a forward: q, k, v and the attention output go through all-to-alls; keys and
/// values go around the ring, where each step also merges its output into the sum (two f32 planes read, one written).
double communication_seconds(const Hardware& hardware, const ModelParts& parts, const Degrees& degrees,
                             std::int64_t tokens) {
  const DitConfig& config = parts.expert;
  const int u = degrees.ulysses, r = degrees.ring;
  const double start = hardware.gpu.message_seconds;
  const double plane = static_cast<double>(config.dim * number_bytes(parts.precision));
  double layer = 0;
  if (u > 1) layer += 4 * up(tokens, u * r) * plane * (u - 1) / u / link_rate(hardware, u) + 2 * start;
  if (r > 1) {
    const double share = up(config.num_heads, u) / static_cast<double>(config.num_heads);
    const double merged = 12 * up(tokens, r) * static_cast<double>(config.dim) * share;
    layer += (r - 1) * (2 * up(tokens, r) * plane * share / link_rate(hardware, u * r) +
                        merged / hardware.gpu.memory_rate + start);
  }
  return layer * static_cast<double>(config.num_layers);
}

/// Seconds in which the ranks that shared the forwards of a step, `forwards` (1 or 2) before any was saved, gather the
/// velocity. They do so in every step.
double gathering_seconds(const Hardware& hardware, const ModelParts& parts, const Degrees& degrees, std::int64_t tokens,
                         int forwards) {
  const int ranks = std::min(degrees.guidance, forwards) * degrees.ulysses * degrees.ring;
  const double velocity = static_cast<double>(tokens * 4 * parts.expert.out_dim * 4);
  return ranks > 1 ? velocity / link_rate(hardware, ranks) + hardware.gpu.message_seconds : 0;
}

/// Forwards of an expert that follow one another: in steps without products of 8-bit numbers, and in all others.
struct ForwardsInARow {
  int exact = 0, usual = 0;
};
ForwardsInARow forwards_in_a_row(const PlannedShape& shape, Expert which, const ModelParts& parts,
                                 const Execution& execution, int branches) {
  const bool any_in_8_bits = has_8_bit_products(parts, execution);
  ForwardsInARow sum;
  std::int64_t step = which == Expert::high ? 0 : shape.high_steps;
  for (const StepForwards& forwards : shape.forwards_of(which)) {
    const bool is_exact = any_in_8_bits && is_exact_step(execution, step, std::ssize(shape.forwards));
    (is_exact ? sum.exact : sum.usual) += forwards.in_a_row(branches);
    ++step;
  }
  return sum;
}

/// Seconds in which the blocks that wait in host memory travel to the GPU for one forward, beside its computation.
double streaming_seconds(const Hardware& hardware, const ModelParts& parts, const PlacementPlan& plan) {
  const std::uint64_t block = dit_streamed_bytes(parts.expert, parts.precision, parts.weights);
  return static_cast<double>(plan.streamed_blocks) * static_cast<double>(block) / hardware.gpu.host_rate;
}

/// Seconds of all steps of an expert. A saved forward (the patch embedding, a sum, the head) counts as none.
double denoising_seconds(const Hardware& hardware, const ModelParts& parts, const PlacementPlan& plan,
                         const PlannedShape& shape, const Execution& execution, Expert which) {
  const Degrees& degrees = plan.degrees;
  const double streaming = streaming_seconds(hardware, parts, plan);
  const auto seconds = [&](const PrecisionFactors& factors) {
    return std::max(forward_seconds(hardware, parts, degrees, shape.tokens, factors).total(), streaming);
  };
  const ForwardsInARow forwards = forwards_in_a_row(shape, which, parts, execution, degrees.guidance);
  const Stage stage = which == Expert::high ? Stage::high : Stage::low;
  const double gathering =
      gathering_seconds(hardware, parts, degrees, shape.tokens, forwards_in(stage, shape.job.guidance));
  return forwards.usual * seconds(usual_factors(hardware, parts, execution, which)) + forwards.exact * seconds({1, 1}) +
         static_cast<double>(shape.forwards_of(which).size()) * gathering;
}

PlannedShape planned(const Job& job) {
  const std::int64_t high = high_noise_steps(job);
  return {job, token_count(job), high, job.steps - high, 1, forwards_by_step(job, high)};
}

std::int64_t count(std::span<const StepForwards> steps) {
  std::int64_t forwards = 0;
  for (const StepForwards& step : steps) forwards += step.count();
  return forwards;
}

/// The part of a frame's rows that the rank with most of them decodes.
double most_rows(const Job& job, int ranks) {
  const std::int64_t rows = job.height / 8;
  return static_cast<double>(share_of(rows, ranks, 0).size) / static_cast<double>(rows);
}

}  // namespace

std::span<const StepForwards> PlannedShape::forwards_of(Expert which) const {
  const std::span<const StepForwards> all = forwards;
  const auto high = static_cast<std::size_t>(high_steps);
  return which == Expert::high ? all.first(high) : all.subspan(high);
}

std::int64_t PlannedShape::high_forwards() const { return count(forwards_of(Expert::high)); }
std::int64_t PlannedShape::low_forwards() const { return count(forwards_of(Expert::low)); }

std::vector<PlannedShape> shapes_of(const std::vector<Job>& jobs) {
  const std::vector<std::size_t> first_of_shape = shape_groups(jobs);
  std::vector<PlannedShape> shapes;
  std::vector<std::size_t> number(jobs.size());  // of the shape whose first clip this is
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (first_of_shape[i] != i) {
      ++shapes[number[first_of_shape[i]]].clips;
      continue;
    }
    number[i] = shapes.size();
    shapes.push_back(planned(jobs[i]));
  }
  return shapes;
}

RelativeWork relative_work(const ModelParts& parts) {
  const double token = linear_flops(parts.expert, parts.text_len) / linear_flops(published, 512);
  return {token, pair_flops(parts.expert) / pair_flops(published), pixel_flops(parts.vae) / published_pixel_flops,
          text_flops(parts.text_encoder) / published_text_flops};
}

ForwardSeconds forward_seconds(const Hardware& hardware, const ModelParts& parts, const Degrees& degrees,
                               std::int64_t tokens) {
  return forward_seconds(hardware, parts, degrees, tokens, parts.precision);
}

ForwardSeconds forward_seconds(const Hardware& hardware, const ModelParts& parts, const Degrees& degrees,
                               std::int64_t tokens, Precision precision) {
  return forward_seconds(hardware, parts, degrees, tokens, factors_of(precision, hardware.gpu));
}

ForwardSeconds forward_seconds(const Hardware& hardware, const ModelParts& parts, const Degrees& degrees,
                               std::int64_t tokens, const PrecisionFactors& factors) {
  const DitConfig& config = parts.expert;
  const GpuFigures& gpu = hardware.gpu;
  const RelativeWork work = relative_work(parts);
  const double token = gpu.token_seconds * work.token * factors.token;
  const double pair = gpu.pair_seconds * work.pair * factors.pair;
  const double heads = up(config.num_heads, degrees.ulysses) / static_cast<double>(config.num_heads);
  const double queries = up(tokens, degrees.ring);
  const double compute =
      token * up(tokens, degrees.ulysses * degrees.ring) + pair * queries * static_cast<double>(tokens) * heads;
  return {compute, communication_seconds(hardware, parts, degrees, tokens)};
}

StageSeconds stage_seconds(const Hardware& hardware, const ModelParts& parts, const PlacementPlan& plan,
                           const PlannedShape& shape, const Execution& execution) {
  const GpuFigures& gpu = hardware.gpu;
  const auto steps = [&](Expert which) { return denoising_seconds(hardware, parts, plan, shape, execution, which); };
  const RelativeWork work = relative_work(parts);
  const double pixels = static_cast<double>(shape.job.frames) * shape.job.width * shape.job.height * work.pixel;
  StageSeconds seconds;
  seconds.text =
      plan.text == TextPlace::cpu ? text_flops(parts.text_encoder) / cpu_flops : gpu.text_seconds * work.text;
  seconds.high = steps(Expert::high);
  seconds.low = plan.draft ? 0 : steps(Expert::low);
  seconds.exchange = static_cast<double>(device_bytes(parts, plan.streamed_blocks)) / gpu.host_rate;
  seconds.pin = gpu.is_cpu() ? 0 : static_cast<double>(expert_bytes(parts)) / pin_rate;
  const double of_a_pixel = execution.vae == at::kBFloat16 ? gpu.decode_bf16_seconds
                            : execution.tf32               ? gpu.decode_tf32_seconds
                                                           : gpu.decode_seconds;
  seconds.decode =
      pixels * of_a_pixel * most_rows(shape.job, decoding_ranks(shape.job, plan.split_decode, plan.group_size()));
  // Sample, corrected sample and two data predictions: to the host on one rank, and from the host on another.
  if (plan.mode == PlacementMode::pipeline)
    seconds.transfer = 2 * 4 * static_cast<double>(shape.tokens * 4 * parts.expert.in_dim * 4) / gpu.host_rate;
  return seconds;
}

double seconds_in(const StageSeconds& seconds, Stage stage) {
  switch (stage) {
    case Stage::text:
      return seconds.text;
    case Stage::high:
      return seconds.high;
    case Stage::low:
      return seconds.low;
    case Stage::decode:
      return seconds.decode;
    case Stage::write:
      return 0;  // on host threads, while the group computes the next clip
  }
  return 0;
}

bool low_starts_on_host(const Hardware& hardware, const PlacementPlan& plan) {
  return exchanges_experts(plan.mode) && (plan.loads_behind || hardware.most_on_a_node() > 1);
}

double start_seconds(const Hardware& hardware, const ModelParts& parts, const PlacementPlan& plan) {
  const double expert = static_cast<double>(expert_bytes(parts)),
               both_experts = static_cast<double>(both_experts_bytes(parts));
  const double text = plan.text == TextPlace::cpu ? 0 : static_cast<double>(umt5_bytes_needed(parts.text_encoder, 0));
  const bool low_leaves = low_starts_on_host(hardware, plan) && !plan.loads_behind;
  const bool both = (plan.mode == PlacementMode::resident && !plan.draft && !plan.loads_behind) || low_leaves;
  const double pinned = low_leaves && !hardware.gpu.is_cpu() ? expert / pin_rate : 0;
  const double before_the_last = ((both ? both_experts - expert : 0) + text) / hardware.gpu.host_rate;
  return std::max(before_the_last, pinned) + expert / hardware.gpu.host_rate;
}

}  // namespace wf
