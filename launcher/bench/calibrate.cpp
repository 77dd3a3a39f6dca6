#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "cluster/node.hpp"
#include "launcher/bench/bench.hpp"
#include "launcher/options/version.hpp"
#include "launcher/planner/calibration.hpp"
#include "launcher/planner/time_model.hpp"
#include "parallel/device.hpp"
#include "pipeline/model/ceilings.hpp"
#include "pipeline/stages/encode_text.hpp"
#include "pipeline/stages/tokenize.hpp"

namespace wf {
namespace {

/// A size with `factor` times as many tokens as make the terms a L and b L^2 of a forward take equally many operations,
/// at least `least` tokens: around there both terms can be told apart.
LatentSize balanced(const DitConfig& expert, double factor, std::int64_t least) {
  constexpr std::int64_t tokens_of_a_frame = 16 * 16;
  const double balance = static_cast<double>(3 * expert.dim + expert.ffn_dim);
  const auto frames = static_cast<std::int64_t>(factor * balance) / tokens_of_a_frame;
  return {std::max(frames, least / tokens_of_a_frame), 2 * 16, 2 * 16};
}

/// Fits a and b of a L + b L^2 to two forwards. Where noise would make one negative, the other takes nearly all.
void measure_forwards(const Bench& bench, const RelativeWork& work, GpuFigures& figures) {
  const LatentSize small = balanced(bench.models.parts().expert, 1, 1024);
  const LatentSize large = balanced(bench.models.parts().expert, 2.5, 8192);
  const auto few = static_cast<double>(small.tokens()), many = static_cast<double>(large.tokens());
  const double per_small = time_forward(bench, small) / few, per_large = time_forward(bench, large) / many;
  const double pair = std::max((per_large - per_small) / (many - few), 1e-3 * per_large / many);
  figures.pair_seconds = pair / work.pair;
  figures.token_seconds = std::max(per_small - pair * few, 1e-3 * per_small) / work.token;
}

void measure_decoding(const Bench& bench, const RelativeWork& work, GpuFigures& figures) {
  const LatentSize size = bench.device().is_cpu() ? LatentSize{3, 16, 32} : LatentSize{5, 60, 104};
  const double pixels = static_cast<double>(size.pixels()) * work.pixel;
  const auto seconds = [&](at::ScalarType dtype, bool tf32) {
    const Tf32Meanwhile meanwhile(tf32);
    const NetworkWeights files(Network::vae, bench.models.parts().files.vae);
    return time_decode(bench, load_vae(files, dtype, bench.device(), tf32), size) / pixels;
  };
  figures.decode_seconds = seconds(at::kFloat, false);
  figures.decode_tf32_seconds = bench.device().is_cpu() ? figures.decode_seconds : seconds(at::kFloat, true);
  figures.decode_bf16_seconds = seconds(at::kBFloat16, false);
}

/// Times the encoding of the prompt and the negative prompt of the default clip.
void measure_texts(const Bench& bench, const RelativeWork& work, GpuFigures& figures) {
  const Umt5Weights& weights = bench.models.text_encoder();
  const auto encode = [&] {
    for (const std::string& text : {bench.job.prompt, bench.job.negative_prompt})
      encode_text(tokenize(text, bench.models.tokenizer()), weights).text.cpu();
  };
  figures.text_seconds = time_runs(bench.models.execution().text_device, bench.runs, encode).least() / work.text;
}

GpuFigures measure_figures(const Bench& bench) {
  const c10::InferenceMode no_autograd;
  const at::Device device = bench.device();
  const RelativeWork work = relative_work(bench.models.parts());
  GpuFigures figures;
  figures.kind = kind_of_device(device_name(device));
  figures.source = fmt::format("calibrated by wanfarm {} on {} with {}", version, device_name(device),
                               bench.models.parts().files.root.string());
  measure_texts(bench, work, figures);
  measure_forwards(bench, work, figures);
  measure_decoding(bench, work, figures);
  figures.f32_factor = 0;  // not measured, so the built-in factor stays
  figures.memory_rate = copy_rate(device) / (device.is_cpu() ? 2 : 1);
  figures.host_rate = upload_rate(device);
  if (device.is_cpu()) figures.threads = at::get_num_threads();
  return figures;
}

Table to_table(const GpuFigures& measured, const GpuFigures& built_in) {
  Table table{"figures",
              {{"figure", "figure"},
               {"unit", "unit"},
               {"measured", "measured"},
               {"built_in", "built in"},
               {"ratio", "ratio", 2}}};
  const auto add = [&](const char* name, const char* unit, double GpuFigures::*member) {
    table.rows.push_back({name, unit, fmt::format("{:.4g}", measured.*member), fmt::format("{:.4g}", built_in.*member),
                          ratio(measured.*member, built_in.*member)});
  };
  add("a of a L + b L^2", "s a token", &GpuFigures::token_seconds);
  add("b", "s a pair", &GpuFigures::pair_seconds);
  add("decoding, f32", "s a pixel", &GpuFigures::decode_seconds);
  add("decoding, TF32", "s a pixel", &GpuFigures::decode_tf32_seconds);
  add("decoding, bf16", "s a pixel", &GpuFigures::decode_bf16_seconds);
  add("both texts", "s a clip", &GpuFigures::text_seconds);
  add("memory", "B/s", &GpuFigures::memory_rate);
  add("from host memory", "B/s", &GpuFigures::host_rate);
  return table;
}

}  // namespace

Report bench_calibrate(const Bench& bench) {
  const GpuFigures measured = measure_figures(bench);
  const int threads = static_cast<int>(measured.threads);
  const GpuFigures built_in = measured.is_cpu() ? cpu_figures(threads) : gpu_figures(measured.kind);
  const Path file = calibration_file(environment());
  save_calibration(measured, file);
  return {fmt::format("figures of kind {}, scaled to the published model; written to {}, where plans find them",
                      measured.kind, file.string()),
          {to_table(measured, built_in)},
          measured.token_seconds};
}

}  // namespace wf
