// launcher/bench/fp8_error.cpp: how far forwards with products of 8-bit numbers are from f32 and from `exact`, along
// the trajectory of an exact clip, and which blocks and steps should be exact by that.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "launcher/bench/bench.hpp"
#include "launcher/bench/fp8_formats.hpp"
#include "launcher/bench/fp8_rule.hpp"
#include "parallel/device.hpp"
#include "pipeline/stages/denoise.hpp"
#include "pipeline/stages/start.hpp"

namespace wf {
namespace {

const char* name_of(Expert which) { return which == Expert::high ? "high" : "low"; }

/// ||ours - wanted|| / ||of||, in f64.
double distance(const at::Tensor& ours, const at::Tensor& wanted, const at::Tensor& of) {
  const auto norm = [](const at::Tensor& x) { return at::linalg_vector_norm(x, 2, {}, false, at::kDouble); };
  return (norm(ours.to(at::kFloat) - wanted) / norm(of)).item<double>();
}
double distance(const at::Tensor& ours, const at::Tensor& wanted) { return distance(ours, wanted, wanted); }

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
  const StepGate probe = [&](const Denoising& before, const Denoising&) {
    if (before.step == from || before.step == middle || before.step == until - 1)
      trajectory.probes.push_back({before.x, schedule.timesteps[static_cast<std::size_t>(before.step)], before.step});
    return true;
  };
  const Guidance& guidance = bench.job.guidance;
  const TextPair text{bench.models.embed(bench.job.prompt), bench.models.embed(bench.job.negative_prompt)};
  trajectory.end =
      denoise(std::move(state), schedule, until, text, which == Expert::high ? guidance.high : guidance.low,
              /*saved=*/{}, bench.models.expert(which), bench.models.execution(), probe);
  return trajectory;
}

/// The velocities of one probe in all formats but f32, on the CPU, where they outlast the weights.
struct Velocities {
  at::Tensor exact, ffn, linear, fp8;
  at::Tensor ruled;  ///< fp8 with the rule's blocks exact
};

/// What is measured of one expert.
struct ExpertErrors {
  Expert which;
  std::vector<std::vector<Cell>> forwards = {};  ///< lines of the table
  std::vector<double> by_layer = {};  ///< of each of fp8_layers, then of self-attention: the largest of all steps
  std::vector<double> by_block = {};  ///< the largest of all steps
  StepErrors by_step = {};            ///< of fp8
  BlockNumbers exact_blocks = {};     ///< of the rule
};

/// Keeps the larger one of each pair.
void keep_largest(std::vector<double>& largest, const std::vector<double>& errors) {
  largest.resize(errors.size());
  std::ranges::transform(largest, errors, largest.begin(), [](double a, double b) { return std::max(a, b); });
}

/// The errors of what a block adds to the stream, of each block by itself: the stream before it is the exact one.
std::vector<double> block_errors(const Format& exact, const Format& fp8, const Probe& probe) {
  const TimeEmbedding time = embed_time(exact.weights, {probe.timestep});
  at::Tensor stream = embed_patches(exact.weights, patchify(probe.x.unsqueeze(0))).to(at::kFloat);
  std::vector<double> errors;
  for (std::size_t i = 0; i < exact.weights.blocks.size(); ++i) {
    const at::Tensor wanted = exact.block(i, stream, time);
    errors.push_back(distance(fp8.block(i, stream, time), wanted, wanted - stream));
    stream = wanted;
  }
  return errors;
}

/// wanted: the velocity of `exact`.
std::vector<double> layer_errors(const Format& exact, const Format& fp8, const Probe& probe, const at::Tensor& wanted) {
  std::vector<double> errors;
  const auto add = [&](const Format& changed) {
    errors.push_back(distance(changed.forward(probe.x, probe.timestep), wanted));
  };
  for (const NamedLayer& layer : fp8_layers) add(with_layers(exact, fp8, {layer.layer}));
  add({exact.weights, exact.text, exact.rope, fp8.attention});
  return errors;
}

/// Measures everything that is compared with `exact`, and what is to be compared with f32.
std::vector<Velocities> compare_with_exact(const Formats& formats, const std::vector<Probe>& probes,
                                           const Fp8Choices& choices, ExpertErrors& errors) {
  const Format exact = formats.exact(), fp8 = formats.load(Precision::fp8);
  const Format ffn = with_layers(exact, fp8, {&DitBlock::ffn_up, &DitBlock::ffn_down});
  const Format linear{fp8.weights, fp8.text, fp8.rope, exact.attention};
  std::vector<Velocities> velocities;
  for (const Probe& probe : probes) {
    const auto velocity = [&](const Format& format) { return format.forward(probe.x, probe.timestep); };
    const at::Tensor wanted = velocity(exact), rounded = velocity(fp8);
    if (!choices.skips_layers) keep_largest(errors.by_layer, layer_errors(exact, fp8, probe, wanted));
    keep_largest(errors.by_block, block_errors(exact, fp8, probe));
    errors.by_step[probe.step] = distance(rounded, wanted);
    const at::Tensor kept = rounded.cpu();
    velocities.push_back({wanted.cpu(), velocity(ffn).cpu(), velocity(linear).cpu(), kept, kept});
  }
  errors.exact_blocks =
      choices.exact_blocks.any() ? blocks_of(choices.exact_blocks, errors.which) : conspicuous_blocks(errors.by_block);
  if (errors.exact_blocks.empty()) return velocities;
  const Format ruled = with_exact_blocks(fp8, exact, errors.exact_blocks);
  for (std::size_t i = 0; i < probes.size(); ++i)
    velocities[i].ruled = ruled.forward(probes[i].x, probes[i].timestep).cpu();
  return velocities;
}

void compare_with_f32(const Formats& formats, const std::vector<Probe>& probes,
                      const std::vector<Velocities>& velocities, ExpertErrors& errors) {
  const Format reference = formats.load(Precision::reference);
  for (std::size_t i = 0; i < probes.size(); ++i) {
    const Probe& probe = probes[i];
    const at::Tensor wanted = reference.forward(probe.x, probe.timestep).cpu();
    std::vector<Cell> line{name_of(errors.which), static_cast<double>(probe.step + 1), probe.timestep};
    const Velocities& of = velocities[i];
    for (const at::Tensor* velocity : {&of.exact, &of.ffn, &of.linear, &of.fp8, &of.ruled})
      line.push_back(distance(*velocity, wanted));
    errors.forwards.push_back(std::move(line));
  }
}

/// In this order at most two of bf16, 8 bits and f32 are on the device at once: of the published size 57 GB in f32 and
/// 29 GB in bf16, beside the work of one forward.
ExpertErrors measure(const Bench& bench, Expert which, const std::vector<Probe>& probes) {
  const Formats formats(bench, which);
  ExpertErrors errors{which};
  const std::vector<Velocities> velocities = compare_with_exact(formats, probes, bench.fp8, errors);
  release_cached_memory(bench.device());
  {
    const Tf32Meanwhile allowed(bench.models.execution().tf32);
    compare_with_f32(formats, probes, velocities, errors);
  }
  release_cached_memory(bench.device());
  return errors;
}

/// Follows the clip through the experts, and measures those that were asked for.
std::vector<ExpertErrors> measure_along(const Bench& bench, const Schedule& schedule) {
  Denoising state = start(bench.job, bench.models.parts().expert.in_dim, NoiseSource::cpu, bench.device());
  std::vector<ExpertErrors> experts;
  for (const Expert which : {Expert::high, Expert::low}) {
    if (which == Expert::low && bench.fp8.expert == Expert::high) break;
    const std::int64_t until = which == Expert::high ? high_noise_steps(schedule) : schedule.steps();
    Trajectory trajectory = follow(bench, schedule, std::move(state), until, which);
    const bool is_asked_for = !bench.fp8.expert || bench.fp8.expert == which;
    if (is_asked_for && !trajectory.probes.empty()) experts.push_back(measure(bench, which, trajectory.probes));
    state = std::move(trajectory.end);
  }
  if (experts.empty())
    throw Error(
        Error::input,
        fmt::format("bench fp8 --expert {}: a clip of {} has none of that expert; more --steps give it some",
                    name_of(*bench.fp8.expert), count_text(static_cast<std::size_t>(schedule.steps()), "step")));
  return experts;
}

Table forwards_table(const std::vector<ExpertErrors>& experts) {
  Table table{"forwards",
              {{"expert", "expert"},
               {"step", "step"},
               {"timestep", "timestep", 1},
               {"exact", "exact", 5},
               {"fp8_ffn", "fp8-ffn", 5},
               {"fp8_linear", "fp8-linear", 5},
               {"fp8", "fp8", 5},
               {"fp8_rule", "fp8, rule", 5}}};
  for (const ExpertErrors& expert : experts)
    table.rows.insert(table.rows.end(), expert.forwards.begin(), expert.forwards.end());
  return table;
}

/// A line for each name with the error of each expert.
Table errors_table(const char* key, const char* title, const std::vector<std::string>& names,
                   const std::vector<ExpertErrors>& experts, std::vector<double> ExpertErrors::*errors) {
  Table table{key, {{"what", title}}};
  for (const ExpertErrors& expert : experts) table.columns.push_back({name_of(expert.which), name_of(expert.which), 5});
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::vector<Cell> line{names[i]};
    for (const ExpertErrors& expert : experts) line.push_back((expert.*errors)[i]);
    table.rows.push_back(std::move(line));
  }
  return table;
}

std::vector<std::string> layer_names() {
  std::vector<std::string> names;
  for (const NamedLayer& layer : fp8_layers) names.emplace_back(layer.name);
  names.emplace_back("self-attention");
  return names;
}

std::vector<std::string> block_names(std::size_t blocks) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < blocks; ++i) names.push_back("block " + std::to_string(i));
  return names;
}

/// The rule by all that was measured.
Table rule_table(const std::vector<ExpertErrors>& experts, std::int64_t steps) {
  ExactBlocks blocks;
  StepErrors by_step;
  for (const ExpertErrors& expert : experts) {
    (expert.which == Expert::high ? blocks.high : blocks.low) = expert.exact_blocks;
    by_step.insert(expert.by_step.begin(), expert.by_step.end());
  }
  return {"rule", {{"flags", "the rule"}}, {{rule_flags(blocks, ends_are_conspicuous(by_step, steps))}}};
}

std::string blocks_text(const ExpertErrors& expert) {
  return fmt::format("{} {} (median {:.4f})", name_of(expert.which),
                     expert.exact_blocks.empty() ? "none" : to_string(expert.exact_blocks), median(expert.by_block));
}

std::string note_of(const Bench& bench, const std::vector<ExpertErrors>& experts) {
  std::vector<std::string> blocks;
  bool has_rule = false;
  for (const ExpertErrors& expert : experts) {
    blocks.push_back(blocks_text(expert));
    has_rule |= !expert.exact_blocks.empty();
  }
  return fmt::format(
      "forwards: against f32{}. layers and blocks: against exact, the largest of all steps shown above; a block by "
      "what "
      "it adds to the exact stream before it.\nBlocks that the rule makes exact, {}: {}.{}\nSteps: one at each end is "
      "exact if the first or the last one's error against exact is more than {:.0f} times the median's of those shown.",
      bench.models.execution().tf32 ? ", whose products alone are in TF32 (--tf32)" : "",
      bench.fp8.exact_blocks.any() ? "as --fp8-exact-blocks says"
                                   : fmt::format("whose error is more than {:.0f} times the median's", conspicuous),
      join(blocks, "; "), has_rule ? "" : " So fp8 with the rule is fp8, and was not computed again.", conspicuous);
}

}  // namespace

Report bench_fp8(const Bench& bench) {
  const c10::InferenceMode no_autograd;
  check_exact_blocks(bench.fp8.exact_blocks, bench.models.parts().expert.num_layers);
  const Tf32Meanwhile not_in_exact(false);
  const Schedule schedule = make_schedule(bench.job.solver, bench.job.steps, bench.job.shift);
  const std::vector<ExpertErrors> experts = measure_along(bench, schedule);
  std::vector<Table> tables{forwards_table(experts)};
  if (!bench.fp8.skips_layers)
    tables.push_back(errors_table("layers", "these layers in 8 bits", layer_names(), experts, &ExpertErrors::by_layer));
  tables.push_back(errors_table("blocks", "what it adds in 8 bits", block_names(experts.front().by_block.size()),
                                experts, &ExpertErrors::by_block));
  tables.push_back(rule_table(experts, schedule.steps()));
  return {fmt::format("relative errors of forwards with products of 8-bit numbers, {} tokens", token_count(bench.job)),
          std::move(tables), 0, note_of(bench, experts)};
}

}  // namespace wf
