// launcher/commands/bench.cpp: wanfarm bench WHAT: seconds, rates and memory, beside what this machine could reach.
#include "launcher/bench/bench.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include "cluster/error.hpp"
#include "cluster/log.hpp"
#include "cluster/node.hpp"
#include "launcher/bench/list.hpp"
#include "launcher/bench/session.hpp"
#include "launcher/bench/together.hpp"
#include "launcher/commands/commands.hpp"
#include "launcher/flags.hpp"
#include "launcher/front.hpp"
#include "launcher/model_choice.hpp"
#include "launcher/plan.hpp"
#include "parallel/device.hpp"

namespace wf {
namespace {

Report measure(const std::string& what, const Bench& bench) {
  if (what == "forward") return bench_forward(bench);
  if (what == "vae") return bench_vae(bench);
  if (what == "calibrate") return bench_calibrate(bench);
  return what == "text" ? bench_text(bench) : bench_clip(bench);
}

/// Figures hold for the precision that a device computes in by default. Their forwards are as long as those of 720p.
void set_for_calibration(RunOptions& run, JobSettings& job) {
  run.precision = "auto";
  run.guidance_mode = "two";
  if (!job.size) job.size = parse_size("1280x720");
}

/// The model is loaded for this measurement alone, and released after it.
Result run_mode(BenchOptions options, const std::string& mode) {
  RunOptions run = with_mode(options.run, mode);
  if (options.what == "calibrate") set_for_calibration(run, options.job);
  const Job job = make_job(official_prompt, options.job);
  const Execution execution = chosen_execution(run);
  const ModelParts parts = read_model(ready_model(chosen_model(run.model, {})), execution.precision);
  Result result;
  {
    Models models(parts, plan_alone(parts, {job}, execution, run));
    in_memory("bench " + options.what, models.execution().device, [&] {
      const Report report = measure(options.what, {models, job, options.runs, run});
      result = result_of(mode, report, settings_of(models, job));
    });
  }
  release_cached_memory(execution.device);
  return result;
}

int bench_alone(const BenchOptions& options) {
  std::vector<Result> results;
  for (const std::string& mode : modes_of(options.mode)) results.push_back(run_mode(options, mode));
  tell(options, results);
  return 0;
}

int bench_together(const BenchOptions& options, const Rank& rank) {
  const std::vector<Result> results = measure_together(options, rank);
  if (rank.rank == 0) tell(options, results);
  return 0;
}

int bench_whole_list(const BenchOptions& options) {
  const RenderedList list = bench_list({options.list, options.limit, options.job}, options.run);
  if (list.report) tell(options, {result_of("", *list.report, list.settings)});
  return list.exit_code;
}

[[noreturn]] void refuse(const std::string& why) { throw Error(Error::input, why); }

/// Throws input for what the kind does not take. ranks: that there will be.
void check(const BenchOptions& options, int ranks) {
  const std::string& what = options.what;
  const bool list = what == "list", comm = what == "comm";
  if (list && options.list.empty()) refuse("bench list: the prompt list is missing: wanfarm bench list FILE");
  if (!list && !options.list.empty()) refuse("bench " + what + " takes no list");
  if (ranks > 1 && what != "forward" && !list && !comm)
    refuse("bench " + what + " measures one process: --ranks is for comm, forward and list");
  if (ranks < 2 && comm) refuse("bench comm measures what ranks send each other: --ranks 2 or more");
  if (!options.mode.empty() && (list || comm)) refuse("--mode: bench " + what + " has no modes");
  if (ranks > 1) check_together(options, ranks);
}

int bench(const BenchOptions& options) {
  const Rank rank = rank_from(environment());
  try {
    check(options, std::max(options.run.ranks, rank.size));
  } catch (const Error&) {
    if (rank.rank != 0) return 0;  // one says it
    throw;
  }
  if (const auto code = run_as_ranks(options.run.ranks)) return *code;
  open_log(log_level(options.run), rank.rank);
  if (options.what == "list") return bench_whole_list(options);
  return rank.size > 1 ? bench_together(options, rank) : bench_alone(options);
}

/// Of the flags that render and generate share.
constexpr std::array shared{"--model",     "--output",        "--size",       "--frames",       "--steps",
                            "--shift",     "--device",        "--precision",  "--attention",    "--tf32",
                            "--placement", "--gpu-memory",    "--ranks",      "--cfg-parallel", "--ulysses",
                            "--ring",      "--text-device",   "--high-ranks", "--low-ranks",    "--calibration",
                            "--noise",     "--guidance-mode", "--threads",    "--codec",        "--trace",
                            "--json",      "--quiet",         "-v,--verbose", "--log-level"};

/// In their words, but for what bench does otherwise.
void reword(Flag& flag) {
  flag.group = "Options";
  if (flag.names == "--output") flag.help = "keep the videos of `clip` and `list` here (nowhere)";
  if (flag.names == "--ranks") flag.help = "of comm, forward and list: processes that work together, one a GPU";
  if (flag.names == "--trace") flag.help = "of list: keep the trace here, for ui.perfetto.dev (Chrome trace, JSON)";
  if (flag.names == "--json") flag.help = "one JSON object on stdout instead of the tables";
}

std::vector<Flag> flags_of(BenchOptions& options) {
  std::vector<Flag> flags{
      choice_flag("WHAT", {"forward", "clip", "list", "comm", "vae", "text", "calibrate"},
                  "forwards of an expert, whole clips, a list beside its plan, what ranks send each other, decoding, "
                  "encoding texts, or the figures that plans count with",
                  options.what),
      {.names = "FILE",
       .value = "FILE",
       .help = "of list: the prompt list (YAML)",
       .set = into(options.list),
       .optional = true},
      {"--limit", "N", "of list: the first N clips", into(options.limit, 1)},
      choice_flag("--mode", {"baseline", "optimized", "both"},
                  "instead of --attention, --tf32, --placement and --guidance-mode: as the official code, the fastest, "
                  "or one after the other",
                  options.mode),
      {"--runs,--num_runs", "N", "measured (3)", into(options.runs, 1)},
      {"--save_results", "FILE", "write the JSON object there as well", into(options.save_results)}};
  for (std::vector<Flag> all : {job_flags(options.job), run_flags(options.run)}) {
    for (Flag& flag : all) {
      if (std::find(shared.begin(), shared.end(), flag.names) == shared.end()) continue;
      reword(flag);
      flags.push_back(std::move(flag));
    }
  }
  return flags;
}

}  // namespace

Command bench_command() {
  const auto options = std::make_shared<BenchOptions>();
  return {.name = "bench",
          .summary = "Measure time, rates and memory, beside what this machine can reach",
          .examples =
              "  wanfarm bench forward --model models/Wan2.2-T2V-A14B --size 1280x720 --frames 81\n"
              "  wanfarm bench forward --model random:a14b --attention cudnn --runs 5 --json > forward.json\n"
              "  wanfarm bench forward --model random:a14b --ranks 2 --ulysses 2\n"
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
