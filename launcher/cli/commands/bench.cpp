// launcher/cli/commands/bench.cpp: wanfarm bench WHAT: measures time, rates and memory against what this machine could
// reach.
#include "launcher/bench/bench.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include "base/error.hpp"
#include "base/log.hpp"
#include "cluster/launch/start_ranks.hpp"
#include "cluster/node.hpp"
#include "launcher/bench/list.hpp"
#include "launcher/bench/multi_rank.hpp"
#include "launcher/bench/session.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/cli/flags.hpp"
#include "launcher/cli/model_flags.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/planner/run_plan.hpp"
#include "launcher/planner/saved_forwards.hpp"
#include "parallel/device.hpp"

namespace wf {
namespace {

Report measure(BenchKind what, const Bench& bench) {
  if (what == BenchKind::forward) return bench_forward(bench);
  if (what == BenchKind::kernels) return bench_kernels(bench);
  if (what == BenchKind::fp8) return bench_fp8(bench);
  if (what == BenchKind::vae) return bench_vae(bench);
  if (what == BenchKind::calibrate) return bench_calibrate(bench);
  return what == BenchKind::text ? bench_text(bench) : bench_clip(bench);
}

/// The planner's figures are for the device's default precision, and forwards are measured at the length of 720p clips.
void set_for_calibration(RunOptions& run, JobSettings& job) {
  run.precision.reset();
  run.exact_blocks = {};
  run.weights = WeightForm::as_computed;
  run.guidance_mode = GuidanceMode::two;
  if (!job.size) job.size = parse_size("1280x720");
}

/// Errors are measured along an exact clip.
void set_for_errors(RunOptions& run) {
  run.precision = Precision::exact;
  run.exact_blocks = {};
  run.attention = AttentionBackend::automatic;
  run.cuda_graphs = CudaGraphs::off;
  run.weights = WeightForm::as_computed;
  run.guidance_mode = GuidanceMode::two;
  run.planning.choices.mode = PlacementMode::swap;
}

/// Errors are measured with nothing but one expert on the device, where it needs room in f32 as well. Each is used
/// once, so none is kept.
Execution execution_of(BenchKind what, Execution planned) {
  if (what == BenchKind::fp8) planned.residency = Residency::one, planned.keep_text_encoder = false;
  return planned;
}

/// The clip that is measured, with the forwards that it saves.
Job job_of(const BenchOptions& options, const ModelParts& parts) {
  std::vector<Job> jobs{make_job(official_prompt, options.job)};
  for (const std::string& note : find_saved_forwards(jobs, parts)) spdlog::info("{}", note);
  return jobs.front();
}

/// Loads the model for this measurement only, and releases it afterwards.
Result run_mode(BenchOptions options, BenchMode mode) {
  RunOptions run = with_mode(options.run, mode);
  if (options.what == BenchKind::calibrate) set_for_calibration(run, options.job);
  if (options.what == BenchKind::fp8) set_for_errors(run);
  if (mode == BenchMode::baseline) options.job.step_cache.reset(), options.job.guidance_interval.reset();
  const Execution execution = chosen_execution(run);
  avoid_fragmentation(execution.device);
  const ModelSource model = ready_model(chosen_model(run.model, {}));
  const ModelParts parts = read_model(model, execution);
  for (const std::string& warning : parts.warnings) spdlog::warn("{}", warning);
  const Job job = job_of(options, parts);
  Result result;
  {
    // Kernels are measured without the model's weights, so there is nothing to plan: they may even not fit.
    const bool loads = options.what != BenchKind::kernels;
    const Execution planned = loads ? plan_alone(parts, {job}, execution, run.planning, run.gpu_memory) : execution;
    Models models(parts, execution_of(options.what, planned));
    in_memory(std::string("bench ") + to_string(options.what), models.execution().device, [&] {
      const Report report =
          measure(options.what,
                  {models, job, options.runs, run, {options.expert, options.run.exact_blocks, options.skips_layers}});
      result = result_of(mode, report, settings_of(models, job));
    });
  }
  release_cached_memory(execution.device);
  return result;
}

int bench_alone(const BenchOptions& options) {
  std::vector<Result> results;
  for (const BenchMode mode : options.modes) results.push_back(run_mode(options, mode));
  print(options, results);
  return 0;
}

int bench_together(const BenchOptions& options, const Rank& rank) {
  const std::vector<Result> results = measure_together(options, rank);
  if (rank.rank == 0) print(options, results);
  return 0;
}

int bench_whole_list(const BenchOptions& options) {
  const RenderedList list = bench_list({options.list, options.limit, options.job}, options.run);
  if (list.report) print(options, {result_of(BenchMode::flags, *list.report, list.settings)});
  return list.exit_code;
}

[[noreturn]] void refuse(const std::string& why) { throw Error(Error::input, why); }

/// Throws Error(input) for options that this kind of benchmark does not take. ranks: the number that will take part.
void check(const BenchOptions& options, int ranks) {
  const std::string what = to_string(options.what);
  const bool list = options.what == BenchKind::list, comm = options.what == BenchKind::comm;
  if (list && options.list.empty()) refuse("bench list: the prompt list is missing: wanfarm bench list FILE");
  if (!list && !options.list.empty()) refuse("bench " + what + " takes no list");
  if (ranks > 1 && options.what != BenchKind::forward && !list && !comm)
    refuse("bench " + what + " measures one process; --ranks is for comm, forward and list");
  if (ranks < 2 && comm) refuse("bench comm measures communication between ranks; it needs --ranks 2 or more");
  if (options.modes.front() != BenchMode::flags && (list || comm)) refuse("--mode: bench " + what + " has no modes");
  if (options.expert && options.what != BenchKind::fp8)
    refuse("--expert: bench " + what + " takes none, bench fp8 does");
  if (options.skips_layers && options.what != BenchKind::fp8)
    refuse("--no-layers: bench " + what + " measures no errors, bench fp8 does");
  const bool clips = list || options.what == BenchKind::clip;
  if (!clips && (options.job.step_cache || options.job.guidance_interval))
    refuse("bench " + what + " measures no whole clips, of which --step-cache and --guidance-interval save forwards");
  if (ranks > 1) check_together(options, ranks);
}

int bench(const BenchOptions& options) {
  const Rank rank = rank_from(environment());
  try {
    check(options, std::max(options.run.ranks, rank.size));
  } catch (const Error&) {
    if (rank.rank != 0) return 0;  // rank 0 reports it
    throw;
  }
  if (const auto code = run_as_ranks(options.run.ranks)) return *code;
  open_log(options.run.shown_level(), rank.rank);
  if (options.what == BenchKind::list) return bench_whole_list(options);
  return rank.size > 1 ? bench_together(options, rank) : bench_alone(options);
}

/// The flags of job_flags() and run_flags() that bench takes.
constexpr std::array shared{"--fp8-exact-steps",
                            "--fp8-exact-blocks",
                            "--weights",
                            "--output",
                            "--size",
                            "--heartbeat-timeout",
                            "--frames",
                            "--steps",
                            "--shift",
                            "--device",
                            "--precision",
                            "--attention",
                            "--cuda-graphs",
                            "--tf32",
                            "--placement",
                            "--gpu-memory",
                            "--ranks",
                            "--cfg-parallel",
                            "--ulysses",
                            "--ring",
                            "--text-device",
                            "--high-ranks",
                            "--low-ranks",
                            "--calibration",
                            "--noise",
                            "--guidance-mode",
                            "--threads",
                            "--codec",
                            "--trace",
                            "--json",
                            "--collective-timeout",
                            "--quiet",
                            "-v,--verbose",
                            "--log-level",
                            "--guidance",
                            "--solver",
                            "--preset",
                            "--step-cache",
                            "--guidance-interval"};

/// Adapts the help of shared flags that mean something else in bench.
void reword(Flag& flag) {
  if (!flag.group.starts_with("Model")) flag.group = "Options";
  if (flag.names == "--output") flag.help = "keep the videos of clip and list in this folder (default: discard them)";
  if (flag.names == "--ranks") flag.help = "comm, forward, list: processes that work together, one per GPU";
  if (flag.names == "--fp8-exact-blocks") flag.help += "; fp8: the blocks that are exact in place of those it finds";
  if (flag.names == "--trace") flag.help = "list: record what each rank did when (Chrome trace, for ui.perfetto.dev)";
  if (flag.names == "--json") flag.help = "print one JSON object instead of tables";
}

std::vector<Flag> flags_of(BenchOptions& options) {
  Choices<BenchKind> kinds;
  for (const BenchKind kind : {BenchKind::forward, BenchKind::kernels, BenchKind::fp8, BenchKind::clip, BenchKind::list,
                               BenchKind::comm, BenchKind::vae, BenchKind::text, BenchKind::calibrate})
    kinds.emplace_back(to_string(kind), kind);
  const Choices<std::vector<BenchMode>> modes{{"baseline", {BenchMode::baseline}},
                                              {"optimized", {BenchMode::optimized}},
                                              {"both", {BenchMode::baseline, BenchMode::optimized}}};
  const Choices<std::optional<Expert>> experts{{"high", Expert::high}, {"low", Expert::low}, {"both", {}}};
  std::vector<Flag> flags{
      choice_flag("WHAT", kinds,
                  "forward: one expert; kernels: each kernel of its blocks by itself; fp8: errors of products of 8-bit "
                  "numbers; clip: whole clips; list: a list "
                  "against its plan; comm: communication between ranks; vae: decoding; text: text encoding; calibrate: "
                  "the figures that the planner uses",
                  options.what),
      {.names = "FILE",
       .value = "FILE",
       .help = "list: the prompt list (YAML)",
       .set = into(options.list),
       .optional = true},
      {"--limit", "N", "list: only the first N clips", into(options.limit, 1)},
      choice_flag("--mode", modes,
                  "replaces --attention, --tf32, --placement and --guidance-mode. baseline: as the official code; "
                  "optimized: the fastest; both: one after the other",
                  options.modes),
      choice_flag("--expert", experts, "fp8: measure this expert alone (both)", options.expert),
      {"--no-layers", "", "fp8: leave out the errors by kind of layer, which take seven forwards for each step",
       into(options.skips_layers)},
      {"--runs,--num_runs", "N", "timed repetitions (3)", into(options.runs, 1)},
      {"--save_results", "FILE", "also write the JSON object to this file", into(options.save_results)}};
  std::vector<Flag> taken = only_named(job_flags(options.job), shared);
  append(taken, model_flags(options.run.model));
  append(taken, only_named(run_flags(options.run), shared));
  for (Flag& flag : taken) reword(flag);
  append(flags, std::move(taken));
  return flags;
}

}  // namespace

Command bench_command() {
  const auto options = std::make_shared<BenchOptions>();
  return {.name = "bench",
          .summary = "Measure time, rates and memory against what this machine could reach",
          .examples =
              "  wanfarm bench forward --model models/Wan2.2-T2V-A14B --size 1280x720 --frames 81\n"
              "  wanfarm bench forward --model random:a14b --attention cudnn --runs 5 --json > forward.json\n"
              "  wanfarm bench forward --model random:a14b --ranks 2 --ulysses 2\n"
              "  wanfarm bench fp8 --model models/Wan2.2-T2V-A14B --size 1280x720 --steps 40\n"
              "  wanfarm bench fp8 --model random:a14b --size 1280x720 --steps 6 --expert low --tf32\n"
              "  wanfarm bench kernels --model random:a14b --size 1280x720 --precision fp8\n"
              "  wanfarm bench comm --ranks 8\n"
              "  wanfarm bench list prompts.yaml --ranks 2 --placement pipeline\n"
              "  wanfarm bench clip --steps 4 --shift 5 --placement swap --gpu-memory 48GiB\n"
              "  wanfarm bench clip --mode both --num_runs 2 --save_results results.json\n"
              "  wanfarm bench vae --tf32 --size 1280x720\n"
              "  wanfarm bench text --text-device cpu\n"
              "  wanfarm bench calibrate --model random:a14b\n",
          .flags = flags_of(*options),
          .run = [options] { return bench(*options); }};
}

}  // namespace wf
