// launcher/bench/fp8_error.cpp: how far forwards with products of 8-bit numbers are from f32 and from `exact`, along
// the trajectory of an exact clip.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <utility>

#include "launcher/bench/bench.hpp"
#include "pipeline/model/dit.hpp"
#include "pipeline/stages/denoise.hpp"
#include "pipeline/stages/start.hpp"
#include "pipeline/weights/network_weights.hpp"

namespace wf {
namespace {

/// A block is named in the note when its error is so many times that of the median block.
constexpr double conspicuous = 2;

const char* to_string(Expert which) { return which == Expert::high ? "high" : "low"; }

/// ||ours - wanted|| / ||of||, in f64.
double distance(const at::Tensor& ours, const at::Tensor& wanted, const at::Tensor& of) {
  const auto norm = [](const at::Tensor& x) { return at::linalg_vector_norm(x, 2, {}, false, at::kDouble); };
  return (norm(ours.to(at::kFloat) - wanted) / norm(of)).item<double>();
}

/// One expert in one precision, with what its forwards take besides the latents.
struct Format {
  DitWeights weights;
  TextContext text;
  SelfAttention attention;

  at::Tensor forward(const at::Tensor& x, double timestep, const at::Tensor& rope) const {
    return dit_forward(weights, x.unsqueeze(0), embed_time(weights, {timestep}), text, rope, attention)[0];
  }
};

/// Formats of one expert. f32 is the last to be loaded and the first to go: it is larger than both others together.
class Formats {
 public:
  Formats(const Bench& bench, Expert which)
      : bench_(bench), which_(which), prompt_(bench.models.embed(bench.job.prompt).text.to(bench.device())) {}

  Format load(Precision precision) const {
    const ModelParts& parts = bench_.models.parts();
    const ExpertFiles& source = which_ == Expert::high ? parts.files.high : parts.files.low;
    const NetworkWeights files(source, which_);
    return with_inputs(load_dit(files, config_of(source, files), precision, bench_.device()), precision);
  }
  /// The bf16 expert that the models have anyway.
  Format exact() const { return with_inputs(bench_.models.expert(which_), Precision::exact); }

  SelfAttention attention(Precision precision) const {
    Execution execution = bench_.models.execution();
    execution.precision = precision;
    if (multiplies_in_fp8(precision)) execution.backend = AttentionBackend::automatic;
    return choose_attention(execution, bench_.models.parts().head_dim()).attention;
  }

 private:
  Format with_inputs(const DitWeights& weights, Precision precision) const {
    return {weights, embed_text(weights, {prompt_}), attention(precision)};
  }

  const Bench& bench_;
  Expert which_;
  at::Tensor prompt_;
};

struct NamedLayer {
  const char* name;
  Linear DitBlock::*layer;
};
constexpr std::array layers{NamedLayer{"self-attention q, k, v", &DitBlock::qkv},
                            NamedLayer{"self-attention out", &DitBlock::out},
                            NamedLayer{"cross-attention q", &DitBlock::cross_q},
                            NamedLayer{"cross-attention out", &DitBlock::cross_out},
                            NamedLayer{"FFN up", &DitBlock::ffn_up},
                            NamedLayer{"FFN down", &DitBlock::ffn_down}};

/// `exact` with the chosen layers of all blocks out of `fp8`.
Format with_layers(Format exact, const Format& fp8, const std::vector<Linear DitBlock::*>& chosen) {
  for (std::size_t i = 0; i < exact.weights.blocks.size(); ++i)
    for (Linear DitBlock::*layer : chosen) exact.weights.blocks[i].*layer = fp8.weights.blocks[i].*layer;
  return exact;
}

/// A sample before a step of the exact trajectory.
struct Probe {
  at::Tensor x;
  double timestep;
  std::int64_t step;
};

/// The first, the middle and the last step of an expert's part of the clip, and the state after it.
struct Trajectory {
  std::vector<Probe> probes;
  Denoising end;
};
Trajectory follow(const Bench& bench, const Schedule& schedule, Denoising state, std::int64_t until, Expert which) {
  Trajectory trajectory;
  const std::int64_t from = state.step, middle = (from + until) / 2;
  const StepGate probe = [&](const Denoising& before) {
    if (before.step == from || before.step == middle || before.step == until - 1)
      trajectory.probes.push_back({before.x, schedule.timesteps[static_cast<std::size_t>(before.step)], before.step});
    return true;
  };
  const Guidance& guidance = bench.job.guidance;
  const TextPair text{bench.models.embed(bench.job.prompt), bench.models.embed(bench.job.negative_prompt)};
  trajectory.end =
      denoise(std::move(state), schedule, until, text, which == Expert::high ? guidance.high : guidance.low,
              bench.models.expert(which), bench.models.execution(), probe);
  return trajectory;
}

/// The errors of what a block adds to the stream, of each block by itself: the stream before it is the exact one.
std::vector<double> block_errors(const Format& exact, const Format& fp8, const Probe& probe, const at::Tensor& rope) {
  const at::Tensor x = probe.x.unsqueeze(0);
  const std::int64_t tokens = token_grid(x).tokens();
  const TimeEmbedding time = embed_time(exact.weights, {probe.timestep});
  ResidualStream stream{embed_patches(exact.weights, patchify(x)).to(at::kFloat)};
  std::vector<double> errors;
  for (std::size_t i = 0; i < exact.weights.blocks.size(); ++i) {
    const auto after = [&](const Format& format) {
      BlockAttention attention(format.attention, tokens);
      ResidualStream own{stream.x.clone()};
      run_block(format.weights, format.weights.blocks[i], own, time.e0, format.text.blocks[i], format.text.bias, rope,
                attention);
      return own.sum();
    };
    const at::Tensor wanted = after(exact);
    errors.push_back(distance(after(fp8), wanted, wanted - stream.x));
    stream.x = wanted;
  }
  return errors;
}

/// What is measured of one expert.
struct ExpertErrors {
  Expert which;
  std::vector<std::vector<Cell>> forwards;  ///< lines of the table
  std::vector<double> by_layer;             ///< of each of `layers`, then of self-attention: the largest of all steps
  std::vector<double> by_block;             ///< the largest of all steps
};

/// Keeps the larger one of each pair.
void keep_largest(std::vector<double>& largest, const std::vector<double>& errors) {
  largest.resize(errors.size());
  std::ranges::transform(largest, errors, largest.begin(), [](double a, double b) { return std::max(a, b); });
}

std::vector<double> layer_errors(const Format& exact, const Format& fp8, const Probe& probe, const at::Tensor& rope) {
  const at::Tensor wanted = exact.forward(probe.x, probe.timestep, rope);
  std::vector<double> errors;
  const auto add = [&](const Format& changed) {
    errors.push_back(distance(changed.forward(probe.x, probe.timestep, rope), wanted, wanted));
  };
  for (const NamedLayer& layer : layers) add(with_layers(exact, fp8, {layer.layer}));
  add({exact.weights, exact.text, fp8.attention});
  return errors;
}

ExpertErrors measure(const Bench& bench, Expert which, const std::vector<Probe>& probes) {
  const Formats formats(bench, which);
  const Format exact = formats.exact(), fp8 = formats.load(Precision::fp8);
  const at::Tensor rope = rope_table(token_grid(probes.front().x), exact.weights.head_dim(), exact.weights.device());
  ExpertErrors errors{which, {}, {}, {}};
  for (const Probe& probe : probes) {
    keep_largest(errors.by_layer, layer_errors(exact, fp8, probe, rope));
    keep_largest(errors.by_block, block_errors(exact, fp8, probe, rope));
  }
  const Format ffn = with_layers(exact, fp8, {&DitBlock::ffn_up, &DitBlock::ffn_down});
  const Format linear{fp8.weights, fp8.text, exact.attention};
  const Format reference = formats.load(Precision::reference);
  for (const Probe& probe : probes) {
    const at::Tensor wanted = reference.forward(probe.x, probe.timestep, rope);
    std::vector<Cell> line{to_string(which), static_cast<double>(probe.step + 1), probe.timestep};
    for (const Format* format : {&exact, &ffn, &linear, &fp8})
      line.push_back(distance(format->forward(probe.x, probe.timestep, rope), wanted, wanted));
    errors.forwards.push_back(std::move(line));
  }
  return errors;
}

Table forwards_table(const std::vector<ExpertErrors>& experts) {
  Table table{"forwards",
              {{"expert", "expert"},
               {"step", "step"},
               {"timestep", "timestep", 1},
               {"exact", "exact", 5},
               {"fp8_ffn", "fp8-ffn", 5},
               {"fp8_linear", "fp8-linear", 5},
               {"fp8", "fp8", 5}}};
  for (const ExpertErrors& expert : experts)
    table.rows.insert(table.rows.end(), expert.forwards.begin(), expert.forwards.end());
  return table;
}

/// A line for each name with the errors of both experts.
Table pairs_table(const char* key, const char* title, const std::vector<std::string>& names,
                  const std::vector<double>& high, const std::vector<double>& low) {
  Table table{key, {{"what", title}, {"high", "high", 5}, {"low", "low", 5}}};
  for (std::size_t i = 0; i < names.size(); ++i) table.rows.push_back({names[i], high[i], low[i]});
  return table;
}

std::vector<std::string> layer_names() {
  std::vector<std::string> names;
  for (const NamedLayer& layer : layers) names.emplace_back(layer.name);
  names.emplace_back("self-attention");
  return names;
}

std::vector<std::string> block_names(std::size_t blocks) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < blocks; ++i) names.push_back("block " + std::to_string(i));
  return names;
}

/// The blocks whose error is conspicuous, as text.
std::string conspicuous_blocks(const ExpertErrors& expert) {
  const double middle = median(expert.by_block);
  std::string found;
  for (std::size_t i = 0; i < expert.by_block.size(); ++i)
    if (expert.by_block[i] > conspicuous * middle) found += (found.empty() ? "" : ", ") + std::to_string(i);
  return fmt::format("{}: {} (median {:.4f})", to_string(expert.which), found.empty() ? "none" : found, middle);
}

}  // namespace

Report bench_fp8(const Bench& bench) {
  const c10::InferenceMode no_autograd;
  const Schedule schedule = make_schedule(bench.job.solver, bench.job.steps, bench.job.shift);
  const std::int64_t boundary = high_noise_steps(schedule);
  Denoising state = start(bench.job, bench.models.parts().expert.in_dim, NoiseSource::cpu, bench.device());
  std::vector<ExpertErrors> experts;
  for (const Expert which : {Expert::high, Expert::low}) {
    Trajectory trajectory =
        follow(bench, schedule, std::move(state), which == Expert::high ? boundary : schedule.steps(), which);
    if (!trajectory.probes.empty()) experts.push_back(measure(bench, which, trajectory.probes));
    state = std::move(trajectory.end);
  }
  const ExpertErrors &high = experts.front(), &low = experts.back();
  return {
      fmt::format("relative errors of forwards with products of 8-bit numbers, {} tokens", token_count(bench.job)),
      {forwards_table(experts),
       pairs_table("layers", "these layers in 8 bits", layer_names(), high.by_layer, low.by_layer),
       pairs_table("blocks", "what it adds in 8 bits", block_names(high.by_block.size()), high.by_block, low.by_block)},
      0,
      fmt::format(
          "forwards: against f32. layers and blocks: against exact, the largest of all steps shown above; a "
          "block by what it adds to the exact stream before it.\nBlocks whose error is more than {:.0f} times the "
          "median's: {}; {}",
          conspicuous, conspicuous_blocks(high), conspicuous_blocks(low))};
}

}  // namespace wf
