// tests/pipeline/stages/golden_clip.hpp: the clips that the official pipeline rendered with the golden checkpoint, as
// jobs, and how a test renders them.
#pragma once

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

/// The entry of a golden run in pipeline.json.
inline nlohmann::json golden_run(const std::string& name) {
  for (const nlohmann::json& run : nlohmann::json::parse(std::ifstream(golden_folder() / "pipeline.json")))
    if (run.at("name") == name) return run;
  throw std::runtime_error("no golden run " + name);
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
  job.solver = run.at("solver") == "unipc" ? SolverKind::unipc : SolverKind::dpmpp;
  job.guidance = {run.at("guidance_high"), run.at("guidance_low")};
  job.seed = run.at("seed");
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
