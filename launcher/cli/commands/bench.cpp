// launcher/cli/commands/bench.cpp: wanfarm bench WHAT: measures time, rates and memory against what this machine could
// reach.
#include "launcher/bench/bench.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/error.hpp"
#include "base/log.hpp"
#include "cluster/launch/start_ranks.hpp"
#include "cluster/node.hpp"
#include "launcher/bench/alone.hpp"
#include "launcher/bench/folder.hpp"
#include "launcher/bench/list.hpp"
#include "launcher/bench/multi_rank.hpp"
#include "launcher/bench/toggles.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/cli/flags.hpp"
#include "launcher/cli/model_flags.hpp"
#include "launcher/options/model_choice.hpp"
#include "pipeline/video/compare.hpp"

namespace wf {
namespace {

/// Modes of bench clip, measured one after the other. The first video of each is compared with that of the first mode.
class ClipModes {
 public:
  explicit ClipModes(const BenchOptions& options) : options_(options), first_folder_(options.run.output) {}

  /// Throws what measure_alone() and compare() throw, and then keeps nothing of this mode.
  void measure(const ModeSettings& settings) {
    spdlog::info("measuring {}", settings.mode);
    const BenchFolder folder(options_.run.output);
    const bool is_first = results_.empty();
    const Result result =
        measure_alone(options_, settings, {is_first ? first_folder_.path() : folder.path(), settings.mode});
    comparison_.rows.push_back(line_of(result, is_first ? result : results_.front()));
    results_.push_back(result);
    spdlog::info("{}: {:.3f} s a clip", settings.mode, result.seconds);  // all modes together can take an hour
  }

  /// The same for a mode that may be impossible here: what its settings or its measurement throw becomes a line of what
  /// is left out. Returns whether the mode was measured.
  bool try_to_measure(const std::string& mode, const std::function<ModeSettings()>& settings) {
    try {
      measure(settings());
      return true;
    } catch (const std::exception&) {
      const Error error = current_error();
      spdlog::info("{} is left out: {}", mode, error.what());
      left_out_.rows.push_back({mode, error.what()});
      return false;
    }
  }

  void print_all() const {
    BenchSummary summary{{comparison_}, note()};
    if (!left_out_.rows.empty()) summary.tables.push_back(left_out_);
    print(options_, results_, summary);
  }

 private:
  std::string note() const {
    const VideoCodec codec = options_.run.video.codec;
    const char* const seconds = options_.runs > 1 ? "the median of the clips after the first one, which loads the model"
                                                  : "with loading the model, which --runs 2 leaves out";
    const std::string loss =
        is_lossless(codec) ? "" : fmt::format(" (encoded in {}; --codec ffv1 loses nothing)", to_string(codec));
    return fmt::format(
        "s/clip: {}\nMAE, max (of 255), PSNR, SSIM: how far the first video is from the baseline's, not how good it "
        "is{}",
        seconds, loss);
  }

  static std::vector<Cell> line_of(const Result& result, const Result& first) {
    const ClipFigures& clip = *result.clip;
    const Comparison difference = compare(first.clip->video, clip.video);
    return {result.mode,
            result.seconds,
            ratio(first.seconds, result.seconds),
            static_cast<double>(clip.forwards),
            in_gib(clip.peak_bytes),
            difference.mae,
            difference.max,
            difference.psnr,
            difference.ssim,
            difference.max == 0 ? "yes" : "no"};
  }

  const BenchOptions& options_;
  const BenchFolder first_folder_;
  std::vector<Result> results_;
  Table comparison_{"comparison",
                    {{"mode", "mode"},
                     {"seconds", "s/clip", 3},
                     {"speedup", "speed-up", 2},
                     {"forwards", "forwards"},
                     {"peak_gib", "peak GiB", 2},
                     {"mae", "MAE", 3},
                     {"max", "max"},
                     {"psnr", "PSNR dB", 2},
                     {"ssim", "SSIM", 4},
                     {"equal", ""}}};
  Table left_out_{"left_out", {{"mode", "left out"}, {"why", "why", 0, /*left=*/true}}};
};

void measure_each(const BenchOptions& options, ClipModes& modes) {
  const ModeSettings baseline = baseline_of_each(options);
  modes.measure(baseline);
  std::vector<Toggle> possible;
  for (const Toggle& toggle : all_toggles(options)) {
    const auto settings = [&] {
      ModeSettings with = baseline;
      with.mode = toggle.name;
      toggle.turn_on(with);
      return with;
    };
    if (modes.try_to_measure(toggle.name, settings)) possible.push_back(toggle);
  }
  modes.try_to_measure("together", [&] { return together(baseline, possible); });
}

int bench_modes(const BenchOptions& options) {
  ClipModes modes(options);
  if (options.measures_each())
    measure_each(options, modes);
  else
    for (const BenchMode mode : options.modes) modes.measure(settings_for(options, mode));
  modes.print_all();
  return 0;
}

int bench_alone(BenchOptions options) {
  apply_preset(options.run, chosen_device(options.run.device));
  const bool clips = options.what == BenchKind::clip;
  if (clips && (options.modes.size() > 1 || options.measures_each())) return bench_modes(options);
  std::optional<BenchFolder> folder;
  if (clips) folder.emplace(options.run.output);
  std::vector<Result> results;
  for (const BenchMode mode : options.modes)
    results.push_back(measure_alone(options, settings_for(options, mode), {folder ? folder->path() : Path()}));
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
  if (ranks > 1 && options.what != BenchKind::forward && options.what != BenchKind::vae && !list && !comm)
    refuse("bench " + what + " measures one process; --ranks is for comm, forward, list and vae");
  if (ranks < 2 && comm) refuse("bench comm measures communication between ranks; it needs --ranks 2 or more");
  if (options.modes.front() != BenchMode::flags && (list || comm)) refuse("--mode: bench " + what + " has no modes");
  if (options.measures_each() && options.what != BenchKind::clip)
    refuse("--mode each: bench " + what + " measures no whole clips; its modes are baseline, optimized and both");
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
                            "--vae-precision",
                            "--placement",
                            "--gpu-memory",
                            "--weights-cache",
                            "--weights-cache-limit",
                            "--ranks",
                            "--cfg-parallel",
                            "--ulysses",
                            "--ring",
                            "--no-split-decode",
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
  if (flag.names == "--ranks") flag.help = "comm, forward, list, vae: processes that work together, one per GPU";
  if (flag.names == "--fp8-exact-blocks") flag.help += "; fp8: the blocks that are exact in place of those it finds";
  if (flag.names == "--codec") flag.help += "; with ffv1, --mode compares what was decoded without the encoder's loss";
  if (flag.names == "--trace") flag.help = "list: record what each rank did when (Chrome trace, for ui.perfetto.dev)";
  if (flag.names == "--json") flag.help = "print one JSON object instead of tables";
}

std::vector<Flag> flags_of(BenchOptions& options) {
  Choices<BenchKind> kinds;
  for (const BenchKind kind : {BenchKind::forward, BenchKind::kernels, BenchKind::fp8, BenchKind::clip, BenchKind::list,
                               BenchKind::comm, BenchKind::vae, BenchKind::text, BenchKind::load, BenchKind::calibrate})
    kinds.emplace_back(to_string(kind), kind);
  const Choices<std::vector<BenchMode>> modes{{"baseline", {BenchMode::baseline}},
                                              {"optimized", {BenchMode::optimized}},
                                              {"both", {BenchMode::baseline, BenchMode::optimized}},
                                              {"each", {BenchMode::each}}};
  const Choices<std::optional<Expert>> experts{{"high", Expert::high}, {"low", Expert::low}, {"both", {}}};
  std::vector<Flag> flags{
      choice_flag(
          "WHAT", kinds,
          "forward: one expert; kernels: each kernel of its blocks by itself; fp8: errors of products of 8-bit "
          "numbers; clip: whole clips; list: a list "
          "against its plan; comm: communication between ranks; vae: decoding; text: text encoding; load: an expert "
          "from disk and page cache, and from --weights-cache; calibrate: "
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
                  "optimized: the fastest; both: one after the other; each (clip): the baseline, then every toggle by "
                  "itself on top of it, then all together. both and each also compare the videos of clip with the "
                  "baseline's",
                  options.modes),
      choice_flag("--expert", experts, "fp8: measure this expert alone (both)", options.expert),
      {"--no-layers", "", "fp8: leave out the errors by kind of layer, which take seven forwards for each step",
       into(options.skips_layers)},
      {"--runs,--num_runs", "N", "timed repetitions (3)", into(options.runs, 1)},
      {"--save_results", "FILE", "also write the JSON object to this file", into(options.save_results)}};
  std::vector<Flag> taken = only_named(job_flags(options.job, {.hardware = &options.run.preset}), shared);
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
              "  wanfarm bench clip --mode each --runs 2 --codec ffv1 --output modes\n"
              "  wanfarm bench vae --vae-precision bf16 --size 1280x720\n"
              "  wanfarm bench vae --model random:a14b --ranks 2 --tf32 --size 1280x720\n"
              "  wanfarm bench text --text-device cpu\n"
              "  wanfarm bench load --model models/Wan2.2-T2V-A14B --weights-cache /data/weights\n"
              "  wanfarm bench calibrate --model random:a14b\n",
          .flags = flags_of(*options),
          .run = [options] { return bench(*options); }};
}

}  // namespace wf
