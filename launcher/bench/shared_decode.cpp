#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <spdlog/fmt/fmt.h>

#include <exception>
#include <vector>

#include "launcher/bench/team.hpp"
#include "parallel/device.hpp"
#include "pipeline/stages/decode.hpp"
#include "pipeline/weights/random_draw.hpp"

namespace wf {
namespace {

/// Unit-variance latents that are the same on every rank.
Latents draw_latents(const LatentSize& size, at::Device device) {
  const std::vector<std::int64_t> shape{VaeWeights::kLatentChannels, size.frames, size.height, size.width};
  return {at::randn(shape, seeded_generator(at::kCPU, 1), at::kFloat).to(device)};
}

/// Decodes `what` a first time and keeps the frames, then times it.
struct Decoded {
  Timing timing;
  std::uint64_t peak = 0;
  std::vector<at::Tensor> frames;
};
Decoded measure(Team& team, const Bench& bench, const std::function<void(const TakeFrames&)>& work) {
  Decoded decoded;
  reset_peak_memory(bench.device());
  work([&](const Frames& some) { decoded.frames.push_back(some.rgb); });
  decoded.timing = team.time_runs(bench.device(), bench.runs, [&] { work([](const Frames&) {}); });
  decoded.peak = static_cast<std::uint64_t>(team.most(static_cast<double>(device_memory(bench.device()).peak)));
  return decoded;
}

/// Bytes of the first rank's frames, decoded alone and together.
Table differences(const Decoded& alone, const Decoded& together) {
  const at::Tensor one = at::cat(alone.frames).to(at::kInt);
  const at::Tensor apart = (one - at::cat(together.frames).to(at::kInt)).abs();
  return {"difference",
          {{"what", "together against alone"}, {"largest", "largest difference"}, {"percent", "% of the bytes", 5}},
          {{"frames", static_cast<double>(apart.max().item<int>()),
            100 * (apart > 0).to(at::kDouble).mean().item<double>()}}};
}

}  // namespace

Report bench_vae(Team& team, const Bench& bench) {
  const c10::InferenceMode no_autograd;
  const VaeWeights* vae = nullptr;
  team.agree([&] { vae = &bench.models.vae(); });
  const Latents latents = draw_latents(bench.latents(), bench.device());
  const Decoded alone = measure(team, bench, [&](const TakeFrames& sink) { decode(latents, *vae, sink); });
  const Decoded together = measure(team, bench, [&](const TakeFrames& sink) {
    Communicator& ranks = bench.models.execution().ranks->everyone();
    if (const std::exception_ptr failure = decode_together(latents, *vae, sink, ranks)) std::rethrow_exception(failure);
  });
  std::vector<Table> tables{
      to_table({alone.timing, together.timing, alone.peak, together.peak}, "vae", "decoding by", team.size())};
  if (team.rank() == 0) tables.push_back(differences(alone, together));
  return {fmt::format("decoding {} frames of {}x{} by {}", bench.job.frames, bench.job.width, bench.job.height,
                      team.describe()),
          std::move(tables), together.timing.median(),
          "one rank: each by itself, all at once; efficiency: its seconds / (ranks x those of all ranks)"};
}

}  // namespace wf
