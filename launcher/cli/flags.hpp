// launcher/flags.hpp: the flags that render and generate share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "jobs/job_file.hpp"
#include "launcher/command.hpp"
#include "launcher/planner/placement.hpp"

namespace wf {

/// How a run is carried out, beside its jobs.
struct RunOptions {
  std::optional<Path> model, output;
  std::string precision = "auto";  ///< auto: reference on a CPU, exact on a GPU
  std::string device = "auto";     ///< auto: cuda when this build sees a GPU
  std::string guidance_mode = "auto";
  std::string attention = "auto";    ///< auto: fa3, cudnn, math, whichever fits first
  std::string placement = "auto";    ///< a PlacementMode's word; auto: the planner's choice
  std::string text_device = "auto";  ///< auto: the GPU where memory suffices, else cpu
  PlacementChoices degrees;          ///< and sizes of pools; 0: the planner's choice
  std::optional<Path> calibration;   ///< figures to plan with; the user's own where there are some
  std::string noise = "cpu";
  std::uint64_t gpu_memory = 0;  ///< bytes that tensors may take; 0: what the GPU has
  bool tf32 = false;
  int threads = 0;  ///< 0: as many as cores
  int ranks = 0;    ///< that render together (launcher/front.hpp); 0: as this process was started
  bool save_latents = false, png = false;
  std::string codec = "auto";  ///< auto: h264, or y4m in a build without FFmpeg
  int crf = 10;
  std::string preset = "medium";
  Path trace;  ///< of what each rank did when; empty: none
  bool force = false, json = false, quiet = false, verbose = false, dry_run = false;
  std::string log_level = "info";
};

/// Values of the clips themselves: what `defaults:` of a list may hold, as flags that win over it.
std::vector<Flag> job_flags(JobSettings& settings);
std::vector<Flag> run_flags(RunOptions& options);
/// Those of run_flags() that say where things are computed, for plan as well.
std::vector<Flag> placement_flags(RunOptions& options);

/// What --placement, --text-device and the degrees leave to the planner.
PlacementChoices chosen_placement(const RunOptions& options);

/// The codec that --codec means in this build.
std::string chosen_codec(const RunOptions& options);

/// `--quiet` and `--verbose` are short for --log-level error and debug.
std::string log_level(const RunOptions& options);

/// One setter per kind of job value, also for other names of the same flag (generate).
std::function<void(const std::string&)> into(std::optional<JobSettings::Size>& target);
std::function<void(const std::string&)> into(std::optional<JobSettings::Seed>& target);
std::function<void(const std::string&)> into(std::optional<Guidance>& target);
std::function<void(const std::string&)> into(std::optional<SolverKind>& target);
std::function<void(const std::string&)> into_frames(std::optional<int>& target);
std::function<void(const std::string&)> into_count(const std::string& key, std::optional<int>& target, int least);
/// "48GiB", "48GB"; a number alone counts GiB.
std::function<void(const std::string&)> into_bytes(std::uint64_t& target);
std::function<void(const std::string&)> into_positive(const std::string& key, std::optional<double>& target);

}  // namespace wf
