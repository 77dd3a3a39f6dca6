#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "launcher/bench/bench.hpp"
#include "parallel/device.hpp"
#include "pipeline/model/ceilings.hpp"
#include "pipeline/model/cost.hpp"
#include "pipeline/stages/decode.hpp"

namespace wf {
namespace {

/// Best rates for the decoder, in its dtype, in operations a second: of one convolution by the library and by our
/// kernels, where there are such, and of a matrix product, which a convolution can be computed as.
struct DecodeCeilings {
  double library, ours, matmul;
  std::int64_t channels;
  Convolving how;
  double best() const { return std::max({library, ours, matmul}); }
};

/// f32 numbers that are split into two of TF32 take three products of these.
double product_rate(const Bench& bench, Convolving how) {
  const at::ScalarType dtype = bench.models.execution().vae;
  if (how != Convolving::hopper_f32) return matmul_rate(bench.device(), dtype);
  const Tf32Meanwhile meanwhile(true);
  return matmul_rate(bench.device(), dtype) / 3;
}

DecodeCeilings measure_ceilings(const Bench& bench) {
  const Execution& execution = bench.models.execution();
  const std::int64_t channels = bench.models.parts().vae.decoder.first.weight.size(0);
  const Convolving how = convolving_on(bench.device(), execution.vae, execution.tf32);
  const DecodeCeilings ceilings{
      convolution_rate(bench.device(), execution.vae, channels),
      is_ours(how) ? convolution_rate(bench.device(), execution.vae, channels, how) : 0,
      product_rate(bench, how),
      channels,
      how,
  };
  release_cached_memory(bench.device());
  return ceilings;
}

Table to_table(const DecodeCeilings& ceilings, const Bench& bench) {
  const std::string kind = bench.arithmetic(bench.models.execution().vae, bench.device());
  const auto convolution = [&](const char* whose, double rate) {
    return std::vector<Cell>{fmt::format("3x3x3 convolution of {} channels{}, {}", ceilings.channels, whose, kind),
                             rate / tera, "TFLOP/s"};
  };
  Table table = ceiling_table({convolution("", ceilings.library)});
  if (is_ours(ceilings.how)) table.rows.push_back(convolution(" by our kernels", ceilings.ours));
  table.rows.push_back(matmul_line(ceilings.matmul, bench.device(),
                                   ceilings.how == Convolving::hopper_f32 ? "f32 as three of TF32" : kind));
  return table;
}

Table summary(const Bench& bench, const Timing& timing, std::uint64_t peak, double flops, double floor) {
  Table table{"vae",
              {{"what", "measured"},
               {"median_s", "median s", 4},
               {"least_s", "least s", 4},
               {"frames_per_s", "frames/s", 2},
               {"tflop", "TFLOP", 3},
               {"tflop_per_s", "TFLOP/s", 2},
               {"floor_s", "floor s", 4},
               {"ratio", "s / floor", 2},
               {"peak_gib", "peak GiB", 2},
               {"predicted_gib", "predicted GiB", 2},
               {"peak_ratio", "peak / predicted", 3}}};
  const std::uint64_t predicted =
      decode_bytes_needed(bench.models.parts(), bench.models.execution(), bench.job.height, bench.job.width);
  const double median = timing.median();
  table.rows = {{"decode", median, timing.least(), ratio(bench.job.frames, median), flops / tera,
                 ratio(flops / tera, median), floor, ratio(median, floor), in_gib(peak), in_gib(predicted),
                 peak > 0 ? ratio(static_cast<double>(peak), static_cast<double>(predicted)) : Cell()}};
  return table;
}

Timing time_decoding(const Bench& bench, const VaeWeights& vae, const LatentSize& size) {
  const Latents latents{at::randn({VaeWeights::kLatentChannels, size.frames, size.height, size.width},
                                  at::TensorOptions(bench.device()).dtype(at::kFloat))};
  reset_peak_memory(bench.device());
  return time_runs(bench.device(), bench.runs, [&] { decode(latents, vae, [](const Frames&) {}); });
}

}  // namespace

double time_decode(const Bench& bench, const VaeWeights& vae, const LatentSize& size) {
  const c10::InferenceMode no_autograd;
  return time_decoding(bench, vae, size).least();
}

Report bench_vae(const Bench& bench) {
  const c10::InferenceMode no_autograd;
  const at::Device device = bench.device();
  const DecodeCeilings ceilings = measure_ceilings(bench);
  const VaeWeights& vae = bench.models.vae();
  const Timing timing = time_decoding(bench, vae, bench.latents());
  const std::uint64_t peak = device_memory(device).peak;
  const VaeFlops counted = vae_decode_flops(vae, bench.latent_frames(), bench.job.height, bench.job.width);
  const auto flops = static_cast<double>(counted.total());
  return {fmt::format("decoding {} frames of {}x{}; floor: {:.3f} TFLOP, of which attention {:.3f}, at the faster of "
                      "the two ceilings",
                      bench.job.frames, bench.job.width, bench.job.height, flops / tera,
                      static_cast<double>(counted.attention) / tera),
          {summary(bench, timing, peak, flops, flops / ceilings.best()), to_table(ceilings, bench)},
          timing.median()};
}

}  // namespace wf
