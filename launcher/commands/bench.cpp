// launcher/commands/bench.cpp: wanfarm bench WHAT: seconds, rates and memory, beside what this machine could reach.
#include "launcher/bench/bench.hpp"

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>
#include <spdlog/fmt/fmt.h>
#include <torch/version.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <memory>

#include "cluster/error.hpp"
#include "cluster/log.hpp"
#include "launcher/commands/commands.hpp"
#include "launcher/flags.hpp"
#include "launcher/model_choice.hpp"
#include "launcher/plan.hpp"
#include "launcher/version.hpp"
#include "parallel/device.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

struct BenchOptions {
  std::string what, mode;
  RunOptions run;
  JobSettings job;
  int runs = 3;
  std::optional<Path> save_results;
};

/// As typed, but for quotes.
std::string command_line() {
  std::string words = read_file("/proc/self/cmdline");  // each ends with a zero byte
  std::replace(words.begin(), words.end(), '\0', ' ');
  return words.substr(0, words.find_last_not_of(' ') + 1);
}

/// The settings of `--mode`, instead of the flags of the same names: what the official code does on one GPU, and the
/// fastest that changes no more than roundings.
RunOptions with_mode(RunOptions run, const std::string& mode) {
  if (mode.empty()) return run;
  const bool baseline = mode == "baseline";
  const bool gpu = !chosen_execution(run).device.is_cpu();
  run.guidance_mode = "two";
  run.attention = !baseline ? "auto" : gpu ? "cudnn" : "math";
  run.tf32 = !baseline;
  run.placement = baseline ? "swap" : "auto";
  return run;
}

Report measure(const std::string& what, const Bench& bench) {
  try {
    if (what == "forward") return bench_forward(bench);
    if (what == "vae") return bench_vae(bench);
    if (what == "calibrate") return bench_calibrate(bench);
    return what == "text" ? bench_text(bench) : bench_clip(bench);
  } catch (const c10::OutOfMemoryError&) {
    throw Error(Error::resource, "bench " + what + ": " + device_name(bench.device()) +
                                     " is out of memory; a smaller --size or fewer --frames take less");
  }
}

/// How the measured code ran.
Json settings(const Models& models, const Job& job, const RunOptions& run) {
  const Execution& execution = models.execution();
  return {{"model_id", models.id()},
          {"size", fmt::format("{}x{}", job.width, job.height)},
          {"frames", job.frames},
          {"steps", job.steps},
          {"shift", job.shift},
          {"device", execution.device.str()},
          {"device_name", device_name(execution.device)},
          {"text_device", execution.text_device.str()},
          {"precision", execution.precision == Precision::exact ? "exact" : "reference"},
          {"attention", models.attention_name()},
          {"tf32", execution.tf32},
          {"placement", execution.residency == Residency::exchanged ? "swap" : "resident"},
          {"guidance_mode", run.guidance_mode}};
}

std::string in_words(const Json& settings) {
  std::vector<std::string> words;
  for (const auto& [key, value] : settings.items()) {
    if (key == "model_id" || key == "device") continue;
    std::string name = key;
    std::replace(name.begin(), name.end(), '_', ' ');
    words.push_back(fmt::format("{} {}", name, value.is_string() ? value.get<std::string>() : value.dump()));
  }
  return join(words, ", ");
}

struct Result {
  Json json;
  std::string text;
  double seconds = 0;
};

Result result_of(const std::string& mode, const Report& report, const Json& settings) {
  Result result{{{"mode", mode.empty() ? "flags" : mode}}, {}, report.seconds};
  result.json["settings"] = settings;
  result.json["measured"] = report.title;
  result.json["seconds"] = report.seconds;
  result.text = fmt::format("{}{}{}\n{}\n", mode, mode.empty() ? "" : ": ", report.title, in_words(settings));
  for (const Table& table : report.tables) {
    result.json[table.key] = to_json(table);
    result.text.append("\n").append(to_text(table));
  }
  return result;
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
    const Report report = measure(options.what, {models, job, options.runs, run});
    result = result_of(mode, report, settings(models, job, run));
  }
  release_cached_memory(execution.device);
  return result;
}

std::vector<std::string> modes_of(const std::string& mode) {
  return mode == "both" ? std::vector<std::string>{"baseline", "optimized"} : std::vector<std::string>{mode};
}

int bench(const BenchOptions& options) {
  open_log(log_level(options.run), 0);
  Json json{{"bench", options.what}, {"command", command_line()}, {"wanfarm", version}, {"libtorch", TORCH_VERSION}};
  std::string text = fmt::format("wanfarm {}, LibTorch {}\n", version, TORCH_VERSION);
  std::vector<double> seconds;
  for (const std::string& mode : modes_of(options.mode)) {
    const Result result = run_mode(options, mode);
    json["results"].push_back(result.json);
    text.append("\n").append(result.text);
    seconds.push_back(result.seconds);
  }
  if (seconds.size() == 2) {
    json["speedup"] = seconds[0] / seconds[1];
    text += fmt::format("\nspeed-up: {:.3f} s / {:.3f} s = {:.2f}\n", seconds[0], seconds[1], seconds[0] / seconds[1]);
  }
  if (options.save_results) write_file(*options.save_results, json.dump(2) + "\n");
  std::cout << (options.run.json ? json.dump() + "\n" : text) << std::flush;
  return 0;
}

/// Of the flags that render and generate share.
constexpr std::array shared{"--model",         "--output",    "--size",       "--frames",      "--steps",
                            "--shift",         "--device",    "--precision",  "--attention",   "--tf32",
                            "--guidance-mode", "--placement", "--gpu-memory", "--text-device", "--noise",
                            "--threads",       "--json",      "--quiet",      "-v,--verbose",  "--log-level"};

/// In their words, but for what bench does otherwise.
void reword(Flag& flag) {
  flag.group = "Options";
  if (flag.names == "--output") flag.help = "keep the videos of `clip` here (nowhere)";
  if (flag.names == "--json") flag.help = "one JSON object on stdout instead of the tables";
}

std::vector<Flag> flags_of(BenchOptions& options) {
  std::vector<Flag> flags{
      choice_flag(
          "WHAT", {"forward", "clip", "vae", "text", "calibrate"},
          "one forward of an expert, whole clips, decoding, encoding texts, or the figures that plans count with",
          options.what),
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
              "  wanfarm bench clip --steps 4 --shift 5 --placement swap --gpu-memory 48GiB\n"
              "  wanfarm bench clip --mode both --num_runs 2 --save_results results.json\n"
              "  wanfarm bench vae --tf32 --size 1280x720\n"
              "  wanfarm bench text --text-device cpu\n"
              "  wanfarm bench calibrate --model random:a14b\n",
          .flags = flags_of(*options),
          .run = [options] { return bench(*options); }};
}

}  // namespace wf
