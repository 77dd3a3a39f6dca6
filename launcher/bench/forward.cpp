#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <spdlog/fmt/fmt.h>

#include "launcher/bench/bench.hpp"
#include "launcher/bench/profile.hpp"
#include "parallel/device.hpp"
#include "pipeline/model/cost.hpp"

namespace wf {
namespace {

/// Inputs of one forward of the high-noise expert: noise, and a text for each sample of the batch.
struct Inputs {
  at::Tensor x;  ///< [in_dim, t, h, w] f32
  Conditions conditions;
  std::int64_t tokens, batch;
};

Inputs make_inputs(const Bench& bench, const DitWeights& expert, const LatentSize& size) {
  const std::int64_t batch = batch_of(bench.models.execution(), Stage::high, bench.job);
  const at::TensorOptions options = at::TensorOptions(expert.device()).dtype(at::kFloat);
  const at::Tensor x = at::randn({expert.config.in_dim, size.frames, size.height, size.width}, options);
  // One row less than there can be, because on a CPU padding counts as one more key.
  const at::Tensor rows = at::randn({expert.config.text_len - 1, expert.text_dim}, options).to(expert.dtype());
  const TokenGrid grid = token_grid(x);
  const TextContext texts = embed_text(expert, std::vector<at::Tensor>(batch, rows));
  return {x, {{texts}, rope_table(grid, expert.head_dim(), expert.device()), {}}, grid.tokens(), batch};
}

std::function<void()> forward_of(const Bench& bench, const DitWeights& expert, const Inputs& inputs,
                                 CudaGraphs graphs) {
  return repeated_velocity(inputs.x, /*timestep=*/900, inputs.conditions, expert, bench.models.execution(), graphs);
}

Table arithmetic(const DitFlops& flops, std::int64_t batch) {
  const auto tflop = [&](std::int64_t count) { return static_cast<double>(batch * count) / tera; };
  Table table{"arithmetic", {{"kind", "arithmetic"}, {"tflop", "TFLOP", 4}, {"share", "share %", 1}}};
  const auto add = [&](const char* kind, std::int64_t count) {
    table.rows.push_back({kind, tflop(count), 100 * tflop(count) / tflop(flops.forward())});
  };
  add("linears", flops.linears);
  add("self-attention", flops.self_attention);
  add("cross-attention", flops.cross_attention);
  return table;
}

struct Measured {
  Timing timing;
  std::uint64_t peak = 0, predicted = 0;  ///< Bytes on the device.
};

Measured measure(const Bench& bench, const Inputs& inputs, const std::function<void()>& forward) {
  const ModelParts& parts = bench.models.parts();
  reset_peak_memory(bench.device());
  forward();  // and once more in time_runs(), which records it
  Measured measured{time_runs(bench.device(), bench.runs, forward)};
  measured.peak = device_memory(bench.device()).peak;
  measured.predicted = expert_bytes(parts, Expert::high) +
                       dit_work_bytes(parts.expert, parts.precision, inputs.tokens, inputs.batch, parts.weights);
  return measured;
}

Table summary(const Measured& measured, double flops, double floor) {
  Table table{"forward",
              {{"what", "measured"},
               {"median_s", "median s", 4},
               {"least_s", "least s", 4},
               {"tflop", "TFLOP", 3},
               {"tflop_per_s", "TFLOP/s", 2},
               {"floor_s", "floor s", 4},
               {"ratio", "s / floor", 2},
               {"peak_gib", "peak GiB", 2},
               {"predicted_gib", "predicted GiB", 2}}};
  const double median = measured.timing.median();
  table.rows = {{"forward", median, measured.timing.least(), flops / tera, ratio(flops / tera, median), floor,
                 ratio(median, floor), in_gib(measured.peak), in_gib(measured.predicted)}};
  return table;
}

/// The least time of the products of a forward with batch 1, each at the rate of its number format.
double seconds_of_products(const DitFlops& flops, const Ceilings& ceilings, const Execution& execution,
                           std::int64_t blocks) {
  std::int64_t in_fp8 = attends_in_fp8(execution) ? flops.self_attention : 0;
  if (execution.precision == Precision::fp8_ffn) in_fp8 += flops.ffn;
  if (execution.precision >= Precision::fp8_linear) in_fp8 += flops.linears;
  in_fp8 = in_fp8 / blocks * (blocks - std::ssize(execution.exact_blocks.high));
  const double others = static_cast<double>(flops.forward() - in_fp8) / ceilings.matmul;
  return others + (ceilings.fp8_matmul ? static_cast<double>(in_fp8) / *ceilings.fp8_matmul : 0);
}

}  // namespace

Report bench_forward(const Bench& bench) {
  const c10::InferenceMode no_autograd;
  const ModelParts& parts = bench.models.parts();
  const at::ScalarType dtype = number_type(parts.precision);
  const Ceilings ceilings = measure_ceilings(bench.device(), dtype, computes_in_8_bits(bench.models.execution()));

  const DitWeights& expert = bench.models.expert(Expert::high);
  const Inputs inputs = make_inputs(bench, expert, bench.latents());
  const Measured measured =
      measure(bench, inputs, forward_of(bench, expert, inputs, bench.models.execution().cuda_graphs));
  const DitFlops counted = dit_flops(parts.expert, inputs.tokens, parts.expert.text_len);
  const auto flops = static_cast<double>(inputs.batch * counted.forward());
  const auto bytes =
      static_cast<double>(inputs.batch * dit_elementwise_bytes(parts.expert, parts.precision, inputs.tokens));
  const double floor = static_cast<double>(inputs.batch) *
                           seconds_of_products(counted, ceilings, bench.models.execution(), parts.expert.num_layers) +
                       bytes / ceilings.copy;
  return {fmt::format("one forward of the high-noise expert, {} tokens, batch {}; floor: {:.3f} TFLOP as matrix "
                      "products and {:.1f} GB of elementwise traffic",
                      inputs.tokens, inputs.batch, flops / tera, bytes / giga),
          {summary(measured, flops, floor), to_table(ceilings, bench.device(), bench.arithmetic(dtype, bench.device())),
           arithmetic(counted, inputs.batch),
           operations_table(profile(bench.device(), forward_of(bench, expert, inputs, CudaGraphs::off)))},
          measured.timing.median()};
}

double time_forward(const Bench& bench, const LatentSize& size) {
  const c10::InferenceMode no_autograd;
  const DitWeights& expert = bench.models.expert(Expert::high);
  const Inputs inputs = make_inputs(bench, expert, size);
  return time_runs(bench.device(), bench.runs, forward_of(bench, expert, inputs, CudaGraphs::off)).least();
}

}  // namespace wf
