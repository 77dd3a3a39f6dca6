// launcher/cli/commands/calibrate_cache.cpp: wanfarm calibrate-cache: measures the table of a model's step cache on a
// few prompts, and keeps it where runs find it.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iostream>
#include <memory>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "cluster/node.hpp"
#include "jobs/list/job_list.hpp"
#include "jobs/list/selection.hpp"
#include "jobs/step_cache_file.hpp"
#include "launcher/bench/bench.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/cli/flags.hpp"
#include "launcher/cli/model_flags.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/planner/run_plan.hpp"
#include "launcher/planner/saved_forwards.hpp"
#include "parallel/device.hpp"
#include "pipeline/stages/residual_ratios.hpp"
#include "pipeline/stages/solver.hpp"

namespace wf {
namespace {

struct CalibrateOptions {
  Path list;
  int limit = 0;
  RunOptions run;  ///< its `output` is the file
  JobSettings job;
};

/// What is measured without a list: motion of things, of water and of a camera; or, of the model that ships with
/// wanfarm, what it was trained on.
constexpr std::array prompts{official_prompt, "Rain runs down a window at night, with the lights of a city behind it.",
                             "The camera flies over a snowy mountain ridge towards the rising sun."};
constexpr std::array prompts_of_shapes{"A large red star moves from left to right over a blue background.",
                                       "A big white circle is growing in front of a black background.",
                                       "A green triangle slides down against a white background."};

JobSettings settings_of(const CalibrateOptions& options) {
  JobSettings built_in;
  if (!names_model(options.run.model)) {
    built_in.size = parse_size("160x96");
    built_in.frames = 17;
    built_in.steps = 20;
  }
  return merged(options.job, built_in);
}

struct Request {
  std::vector<Job> jobs;
  ModelSource model;
};

/// All forwards of these clips are measured, whatever a list says of saving some.
void compute_all(std::vector<Job>& jobs) {
  for (Job& job : jobs) {
    job.step_cache.reset();
    job.guidance_interval.reset();
    job.seed = job.seed.value_or(default_seed);
  }
}

Request request_of(const CalibrateOptions& options) {
  if (!options.list.empty()) {
    const JobList list = read_job_list(options.list, options.job);
    return {select(list.jobs, "", options.limit), chosen_model(options.run.model, list.model)};
  }
  Request request{{}, chosen_model(options.run.model, {})};
  for (const char* const prompt : names_model(options.run.model) ? prompts : prompts_of_shapes) {
    request.jobs.push_back(make_job(prompt, settings_of(options)));
    request.jobs.back().name = fmt::format("prompt {}", request.jobs.size());
  }
  if (options.limit > 0) request.jobs.resize(std::min(request.jobs.size(), static_cast<std::size_t>(options.limit)));
  return request;
}

/// Throws input where clips have different schedules: a table is of one. Where one expert is not guided in some clips,
/// their ratios could not be told from those of the others.
void check_alike(const std::vector<Job>& jobs) {
  const Job& first = jobs.front();
  for (const Job& job : jobs)
    if (job.steps != first.steps || job.shift != first.shift || job.solver != first.solver ||
        job.guidance != first.guidance)
      throw Error(Error::input,
                  fmt::format("{} and {} differ in steps, shift, solver or guidance, and a table is of one "
                              "schedule; --steps, --shift, --solver and --guidance make them alike",
                              first.name, job.name));
}

/// Ratios that no step cache's file could hold.
void check_ratios(const StepCacheTable& table, const std::string& clip) {
  for (const std::vector<double>& ratios : {table.conditional, table.unconditional})
    for (const double ratio : ratios)
      if (!(ratio > 0) || !std::isfinite(ratio))
        throw Error(Error::permanent, clip + ": what the model's blocks add vanishes or is not finite in some step");
}

/// The mean over all clips, to five decimals, like published tables: clips differ in the third.
StepCacheTable mean_of(const std::vector<StepCacheTable>& tables) {
  StepCacheTable mean = tables.front();
  for (auto branch : {&StepCacheTable::conditional, &StepCacheTable::unconditional})
    for (std::size_t step = 0; step < mean.conditional.size(); ++step) {
      double sum = 0;
      for (const StepCacheTable& table : tables) sum += (table.*branch)[step];
      (mean.*branch)[step] = std::round(1e5 * sum / static_cast<double>(tables.size())) / 1e5;
    }
  return mean;
}

std::vector<StepCacheTable> measure(const std::vector<Job>& jobs, Models& models) {
  std::vector<StepCacheTable> tables;
  for (const Job& job : jobs) {
    spdlog::info("{} of {}: {}", tables.size() + 1, count_text(jobs.size(), "clip"), job.prompt);
    const auto progress = [](Stage stage, std::int64_t step, std::int64_t steps) {
      spdlog::debug("{} {}/{}", to_string(stage), step, steps);
      return true;
    };
    tables.push_back(residual_ratios(job, models, progress));
    check_ratios(tables.back(), job.name);
  }
  return tables;
}

/// Loads the model for the measurement.
StepCacheTable measure(const std::vector<Job>& jobs, const ModelParts& parts, const RunOptions& run,
                       const Execution& execution) {
  Models models(parts, plan_alone(parts, jobs, execution, run.planning, run.gpu_memory));
  StepCacheTable table;
  in_memory("calibrate-cache", execution.device, [&] { table = mean_of(measure(jobs, models)); });
  table.high_noise_steps = static_cast<int>(high_noise_steps(jobs.front()));
  return table;
}

/// What a table does for a clip that was measured.
std::string savings(const StepCacheTable& table, Job job, const ModelParts& parts) {
  job.step_cache = StepCache{.table = table};
  std::vector<Job> jobs{job};
  find_saved_forwards(jobs, parts);
  const std::string saved = saved_text(jobs.front());
  return fmt::format("--step-cache {}: {} saved", to_string(*job.step_cache), saved.empty() ? "no forward" : saved);
}

void save(const StepCacheTable& table, const Path& file) {
  if (file.has_parent_path()) make_folder(file.parent_path());
  write_file(file, to_json(StepCache{.table = table}));
}

int calibrate_cache(CalibrateOptions& options) {
  if (rank_from(environment()).size > 1)
    throw Error(Error::input, "calibrate-cache measures with one process; start it without mpirun or srun");
  open_log(options.run.shown_level(), 0);
  Request request = request_of(options);
  compute_all(request.jobs);
  check_alike(request.jobs);
  apply_preset(options.run, chosen_device(options.run.device));
  const Execution execution = chosen_execution(options.run);
  avoid_fragmentation(execution.device);
  const ModelParts parts = read_model(ready_model(request.model), execution);
  for (const std::string& warning : parts.warnings) spdlog::warn("{}", warning);
  const Job& first = request.jobs.front();
  const Path file = options.run.output.value_or(step_cache_file(parts.id, first, environment()));
  const StepCacheTable table = measure(request.jobs, parts, options.run, execution);
  save(table, file);
  std::cout << fmt::format("{}: the mean of {}, {} steps, of which {} are the high-noise expert's\n{}\n", file.string(),
                           count_text(request.jobs.size(), "clip"), first.steps, *table.high_noise_steps,
                           savings(table, first, parts));
  return 0;
}

constexpr std::array shared{"--size",        "--frames", "--steps",      "--shift",     "--guidance",  "--solver",
                            "--seed",        "--output", "--device",     "--precision", "--weights",   "--attention",
                            "--tf32",        "--noise",  "--gpu-memory", "--threads",   "--placement", "--text-device",
                            "--calibration", "--quiet",  "-v,--verbose", "--log-level", "--no-tf32"};

std::vector<Flag> flags_of(CalibrateOptions& options) {
  std::vector<Flag> flags{{.names = "LIST",
                           .value = "FILE",
                           .help = "measure the clips of this prompt list (default: three prompts of its own)",
                           .set = into(options.list),
                           .optional = true},
                          {"--limit", "N", "only the first N clips", into(options.limit, 1)}};
  append(flags, only_named(job_flags(options.job), shared));
  append(flags, model_flags(options.run.model));
  append(flags, only_named(run_flags(options.run), shared));
  flags.push_back(preset_flag({.hardware = &options.run.preset}));
  for (Flag& flag : flags) {
    if (!flag.group.starts_with("Model")) flag.group = "Options";
    if (flag.names != "--output") continue;
    flag.value = "FILE";
    flag.help = "write the table into this file (default: into the user's cache, where runs of this model find it)";
  }
  return flags;
}

}  // namespace

Command calibrate_cache_command() {
  const auto options = std::make_shared<CalibrateOptions>();
  return {.name = "calibrate-cache",
          .summary = "Measure what a model's step cache saves forwards by (--step-cache)",
          .examples =
              "  wanfarm calibrate-cache --model models/Wan2.2-T2V-A14B\n"
              "  wanfarm calibrate-cache prompts.yaml --limit 5 --steps 20\n"
              "  wanfarm calibrate-cache --output models/mine/step-cache.json --model models/mine --size 480x480\n",
          .flags = flags_of(*options),
          .run = [options] { return calibrate_cache(*options); }};
}

}  // namespace wf
