#include "launcher/bench/alone.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include "base/error.hpp"
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
  if (what == BenchKind::load) return bench_load(bench);
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
Job job_of(const ModeSettings& settings, const ModelParts& parts) {
  std::vector<Job> jobs{make_job(official_prompt, settings.job)};
  for (const std::string& note : find_saved_forwards(jobs, parts)) spdlog::info("{}", note);
  if (settings.must_save_forwards && !jobs.front().saved.any())
    throw Error(Error::input, fmt::format("it saves no forward of this clip (--steps {})", jobs.front().steps));
  return jobs.front();
}

}  // namespace

Result measure_alone(const BenchOptions& options, const ModeSettings& given, const VideoFiles& videos) {
  ModeSettings settings = given;
  RunOptions& run = settings.run;
  if (options.what == BenchKind::calibrate) set_for_calibration(run, settings.job);
  if (options.what == BenchKind::fp8) set_for_errors(run);
  const Execution execution = chosen_execution(run);
  avoid_fragmentation(execution.device);
  release_cached_memory(execution.device);  // of an earlier measurement, which may have failed
  const ModelSource model = ready_model(chosen_model(run.model, {}));
  const ModelParts parts = read_model(model, execution);
  for (const std::string& warning : parts.warnings) spdlog::warn("{}", warning);
  const Job job = job_of(settings, parts);
  // Kernels are measured without the model's weights, so there is nothing to plan: they may even not fit.
  const bool loads = options.what != BenchKind::kernels;
  const Execution planned = loads ? plan_alone(parts, {job}, execution, run.planning, run.gpu_memory) : execution;
  Models models(parts, execution_of(options.what, planned));
  Report report;
  in_memory(std::string("bench ") + to_string(options.what), models.execution().device, [&] {
    const Fp8Choices fp8{options.expert, options.run.exact_blocks, options.skips_layers};
    report = measure(options.what, {models, job, options.runs, run, fp8, videos});
  });
  return result_of(settings.mode, report, settings_of(models, job));
}

}  // namespace wf
