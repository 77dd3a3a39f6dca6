// pipeline/stages.hpp: what one clip goes through, from its job to its files. The one place that tells the whole story.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "cluster/files.hpp"
#include "jobs/job.hpp"
#include "pipeline/denoise.hpp"
#include "pipeline/models.hpp"
#include "pipeline/stage.hpp"
#include "pipeline/types.hpp"
#include "pipeline/write_video.hpp"

namespace wf {

/// Where a clip's files are made. Paths of work files: the caller renames them when the clip is complete.
struct ClipFiles {
  Path video;    ///< written by decode, completed by write
  Path latents;  ///< --save-latents: HDF5, dataset `latents` [16, t, h, w] f32; empty: not wanted
  Path frames;   ///< --png: a folder of 00001.png ...; empty: not wanted
  Path state;    ///< where an interrupted Denoising is stored and looked for; empty: neither
};

/// One clip on its way: what was asked, and what the stages have made so far. Move-only: it owns an open video file.
struct Clip {
  Job job;             ///< seed drawn
  VideoFormat format;  ///< size and fps are the job's
  ClipFiles files;
  std::string fingerprint;  ///< guards the stored state: another job's is never continued

  TextPair text;
  Denoising state;
  Latents latents;
  std::unique_ptr<FrameWriter> writer;
  std::string latents_sha256, frames_sha256;
  std::map<std::string, double> seconds;              ///< by stage's name, the device's work included
  std::map<std::string, std::uint64_t> device_bytes;  ///< most in tensors on the device, by stage's name; none on a CPU
  std::map<std::string, std::string> ranks;           ///< that did it, by stage's name: "0", "4-7"
  std::int64_t steps_resumed = 0;                     ///< steps that came from a stored state
};

/// Called before each denoising step, and before every other stage with step 0 of 1. False asks for a stop, heeded in
/// denoising alone: the state is stored in files.state and Interrupted is thrown.
using Progress = std::function<bool(Stage stage, std::int64_t step, std::int64_t steps)>;

/// A stop was asked for; what was computed is stored. Not an error of the clip.
struct Interrupted {};

/// Takes the clip through one stage. Stages are called in order, each once. Errors leave the clip unfinished; its files
/// stay parts. A device out of memory is an Error of kind resource that says what was asked for, by which stage, and
/// what to change.
/// Where a group of ranks denoises together (execution.ranks), its leader alone has the clip: for high and low every
/// rank calls, the others with an empty clip of the same job; all other stages are the leader's. Progress is heeded
/// where the leader says so. `write` may be called by another thread, beside the next clip.
void advance(Clip& clip, Stage stage, Models& models, const Progress& progress = {});

/// The text stage of several clips at once, before the one of `job`: models.embed_ahead() with the errors of advance().
void embed_ahead(const Job& job, const std::vector<std::string>& texts, Models& models);

/// The same by a thread of its own, beside the clips, for a text encoder on the host of a GPU that renders. What goes
/// wrong is left to the clip that needs the text.
void embed_beside(const std::vector<std::string>& texts, Models& models, const std::stop_token& stop);

}  // namespace wf
