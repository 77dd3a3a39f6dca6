// tests/pipeline/stages/golden_clip.hpp: the clips that the official pipeline rendered with the golden checkpoint, as
// jobs, and how a test renders them.
#pragma once

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "pipeline/kernels/attention.hpp"
#include "pipeline/stages/stages.hpp"
#include "tests/golden.hpp"
#include "tests/temp_folder.hpp"

namespace wf {

/// f32 with plain attention, on the test's device.
inline Execution golden_execution() {
  Execution execution;
  execution.device = execution.text_device = test::device();
  execution.attention = math_attention();
  return execution;
}

/// The entry of this name in a golden file.
inline nlohmann::json golden_entry(const std::string& file, const std::string& name) {
  for (const nlohmann::json& run : nlohmann::json::parse(std::ifstream(golden_folder() / file)))
    if (run.at("name") == name) return run;
  throw std::runtime_error("no golden run " + name);
}

/// The entry of a golden run in pipeline.json.
inline nlohmann::json golden_run(const std::string& name) { return golden_entry("pipeline.json", name); }

/// The entry of a variant of a golden run, in the form of pipeline.json.
inline nlohmann::json golden_variant(const std::string& name) {
  const nlohmann::json variant = golden_entry("variants/variants.json", name);
  nlohmann::json run = golden_run(variant.at("job"));
  for (const char* key : {"name", "solver", "steps", "shift", "skipped_conditional", "skipped_unconditional"})
    if (variant.contains(key)) run[key] = variant[key];
  if (variant.contains("guidance")) {
    const nlohmann::json& guidance = variant["guidance"];
    run["guidance_high"] = guidance.is_null() ? guidance : guidance.at("high");
    run["guidance_low"] = guidance.is_null() ? guidance : guidance.at("low");
  }
  return run;
}

inline std::optional<double> scale_of(const nlohmann::json& scale) {
  return scale.is_null() ? std::nullopt : std::optional(scale.get<double>());
}

/// The job of such an entry.
inline Job job_of(const nlohmann::json& run) {
  Job job;
  job.name = run.at("name");
  job.prompt = run.at("prompt");
  job.negative_prompt = run.at("negative_prompt");
  job.width = run.at("width"), job.height = run.at("height"), job.frames = run.at("frames"),
  job.steps = run.at("steps");
  job.shift = run.at("shift");
  job.solver =
      *std::ranges::find(all_solvers, run.at("solver").get<std::string>(), [](SolverKind s) { return to_string(s); });
  job.guidance = {scale_of(run.at("guidance_high")), scale_of(run.at("guidance_low"))};
  job.seed = run.at("seed");
  const std::vector<int> none;
  job.saved = {run.value("skipped_conditional", none), run.value("skipped_unconditional", none), {}};
  return job;
}

/// A clip of the job whose files are written in `folder`: a lossless video, latents, PNG files and stored state.
inline Clip clip_in(const test::TempFolder& folder, const Job& job) {
  Clip clip;
  clip.job = job;
  clip.fingerprint = "test";
  const VideoCodec lossless = have_ffmpeg() ? VideoCodec::ffv1 : VideoCodec::y4m;
  clip.format = {.width = job.width, .height = job.height, .fps = job.fps, .codec = lossless};
  clip.files = {folder / "video", folder / "latents.h5", folder / "frames", folder / "state.h5"};
  return clip;
}

/// Takes a clip through all stages.
inline void render(Clip& clip, Models& models, const Progress& progress = {}) {
  for (const Stage stage : all_stages) advance(clip, stage, models, progress);
}

}  // namespace wf
