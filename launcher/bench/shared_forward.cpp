#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <spdlog/fmt/fmt.h>

#include "launcher/bench/team.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/planner/placement.hpp"
#include "parallel/device.hpp"
#include "parallel/device_span.hpp"
#include "pipeline/stages/denoise.hpp"
#include "pipeline/stages/start.hpp"
#include "pipeline/weights/random_draw.hpp"

namespace wf {
namespace {

constexpr double timestep = 900;  ///< A timestep of the high-noise expert.

/// A text embedding [rows - 1, text_dim] that is the same on every rank. One row less than there can be, because on a
/// CPU padding counts as one more key.
Embeddings draw_text(const DitWeights& expert, std::int64_t rows, std::uint64_t seed) {
  const at::Tensor drawn = at::randn({rows - 1, expert.text_dim}, seeded_generator(at::kCPU, seed), at::kFloat);
  return {drawn.to(expert.dtype())};
}

/// Guided velocities as one execution computes them.
struct Measured {
  std::function<void()> forwards;  ///< Computes one more velocity, operation by operation.
  Timing timing;
  std::uint64_t peak = 0;  ///< Bytes on the device of the rank with most.
  at::Tensor velocity;     ///< Of the first run.
};

/// `alone`: ranks do not communicate, so they can agree on a failure of one of them.
Measured measure(Team& team, const Bench& bench, const Execution& execution, bool alone) {
  const DitWeights& expert = bench.models.expert(Expert::high);
  const at::Tensor x = start(bench.job, expert.config.in_dim, NoiseSource::cpu, execution.device).x;
  const std::int64_t rows = expert.config.text_len;
  const TextPair texts{draw_text(expert, rows, 1), draw_text(expert, rows, 2)};
  const Conditions conditions = make_conditions(x, texts, bench.job.guidance.high, expert, execution);
  const auto velocity = [&](CudaGraphs graphs) {
    return repeated_velocity(x, timestep, conditions, expert, execution, graphs);
  };
  const auto timed = velocity(execution.cuda_graphs);
  Measured measured{.forwards = velocity(CudaGraphs::off), .timing = {}, .peak = 0, .velocity = {}};
  const auto first = [&] {
    reset_peak_memory(execution.device);
    in_memory("bench forward", execution.device, [&] {
      measured.velocity = timed();
      timed();  // records it
    });
    synchronize(execution.device);
  };
  alone ? team.agree(first) : first();
  measured.timing = team.time_runs(execution.device, bench.runs, timed);
  measured.peak = static_cast<std::uint64_t>(team.most(static_cast<double>(device_memory(execution.device).peak)));
  return measured;
}

/// Time of transfers and waits in one more velocity. The other ranks wait for the one that waits least, so what that
/// one waits for is transfers that no computation hides. Transfers to several ranks at once count several times.
Table communication(Team& team, at::Device device, const Measured& shared) {
  const DeviceSpanSums sums;
  const double seconds = team.time_runs(device, 1, shared.forwards).least();
  const std::map<std::string, DeviceTimes> times = sums.by_category();
  const auto own = [&](const char* category) {
    const auto found = times.find(category);
    return found == times.end() ? 0.0 : found->second.seconds;
  };
  const double transfers = team.most(own("communication")), waits = own("wait");
  const double most = team.most(waits), least = -team.most(-waits);
  return {"communication",
          {{"what", "communication of a velocity"},
           {"transfers_s", "transfers s", 4},
           {"waits_s", "waits s", 4},
           {"exposed_percent", "exposed %", 1},
           {"of_time_percent", "% of the time", 1},
           {"most_waits_s", "most waits s", 4}},
          {{"of the rank that waits least", transfers, least, ratio(100 * least, transfers),
            ratio(100 * least, seconds), most}}};
}

/// Every rank compares its own two velocities; the largest difference of all ranks counts.
Table differences(Team& team, const at::Tensor& alone, const at::Tensor& shared) {
  const double largest = team.most((alone - shared).abs().max().item<double>());
  const double value = team.most(alone.abs().max().item<double>());
  const bool equal = team.most(at::equal(alone, shared) ? 0 : 1) == 0;
  return {"difference",
          {{"what", "shared against alone"},
           {"largest", "largest difference", -3},
           {"largest_value", "largest value", -3},
           {"same_bits", "same bits"}},
          {{"velocity", largest, value, equal ? "yes" : "no"}}};
}

}  // namespace

Report bench_forward(Team& team, const Bench& bench, const std::string& degrees) {
  const c10::InferenceMode no_autograd;
  Execution alone_execution = bench.models.execution();
  alone_execution.ranks.reset();
  alone_execution.guidance = guidance_modes(bench.options.guidance_mode, {}, true).front();
  const Measured alone = measure(team, bench, alone_execution, true);
  const Measured shared = measure(team, bench, bench.models.execution(), false);
  const at::Device device = bench.device();
  const Table waits = communication(team, device, shared);
  const Table operations = operations_table(profile(device, shared.forwards));
  return {
      fmt::format("a guided velocity of the high-noise expert, {} tokens, by {}: {}", bench.latents().tokens(),
                  team.describe(), degrees),
      {to_table({alone.timing, shared.timing, alone.peak, shared.peak}, "forward", "a guided velocity by", team.size()),
       waits, differences(team, alone.velocity, shared.velocity), operations},
      shared.timing.median(),
      "a guided velocity: the conditional and the unconditional forward; seconds: of the slowest rank\n"
      "waits: for transfers that nothing hides; most waits: of any rank, for ranks that are slower as well\n"
      "operations: of rank 0 in a shared velocity\n"
      "one rank: each by itself, all at once; efficiency: its seconds / (ranks x those of all ranks)"};
}

}  // namespace wf
