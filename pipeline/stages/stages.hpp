// pipeline/stages/stages.hpp: what one clip goes through, from its job to its files.
//
//   text      the prompt and the negative prompt become embeddings             tokenize.hpp, encode_text.hpp
//   high      noise is denoised by the high-noise expert up to the boundary    start.hpp, denoise.hpp
//   low       the low-noise expert denoises the rest; latents                  denoise.hpp
//   decode    latents become frames, which are encoded on the way              decode.hpp, write_video.hpp
//   write     the video file is completed                                      write_video.hpp
//
// A clip is rendered by `for (Stage stage : all_stages) advance(clip, stage, models);`. A run calls it stage by stage,
// since another group of ranks may do the next stage (clip_state.hpp carries the clip there).
//
// Threads: a Models and a Clip belong to one thread, which calls advance(). The exceptions are named where they are
// allowed: the stage `write`, and what models.hpp lists.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "base/shared_disk.hpp"
#include "jobs/job.hpp"
#include "jobs/schedule/stage.hpp"
#include "pipeline/stages/denoise.hpp"
#include "pipeline/stages/models.hpp"
#include "pipeline/stages/write_video.hpp"
#include "pipeline/types.hpp"

namespace wf {

/// Where the stages write a clip's files. These are working paths: the caller renames them when the clip is complete.
/// An empty path means that the file is not wanted.
struct ClipFiles {
  Path video;    ///< begun by decode, completed by write
  Path latents;  ///< an HDF5 file with the dataset `latents` [16, t, h, w] f32 (--save-latents)
  Path frames;   ///< a folder of 00001.png, 00002.png, ... (--png)
  Path state;    ///< the Denoising of an interrupted clip: written when it is stopped, read when it starts again
  std::shared_ptr<const ScratchFile> scratch = {};  ///< the video's file, if it is not to be begun on the shared disk
  bool may_have_state = true;                       ///< whether that file may be there; false saves a look for it
};

/// A job on its way: what was asked, and what its stages have made so far. A stage reads what earlier stages made and
/// adds its own. Move-only, since it owns an open video file. Used by one thread at a time.
struct Clip {
  // What was asked, filled in by the caller.
  Job job;                  ///< with the seed drawn
  VideoFormat format;       ///< with the job's size and fps; of a draft with half of that size
  bool is_draft = false;    ///< its frames are halved (preview.hpp)
  ClipFiles files;          ///< all empty on ranks that do not lead their group
  std::string fingerprint;  ///< identifies job, model and precision: only a stored state of the same one is continued
  /// Called before each denoising step on the leader of a group, on the thread that calls advance(), with the state
  /// that the clip can be continued from (StepGate); its tensors are never changed and may be kept. May be empty.
  std::function<void(const Denoising&)> before_step;

  // What the stages made.
  TextPair text;                        ///< by text: on the CPU
  Denoising state;                      ///< by high, and used up by low: on the device
  Latents latents;                      ///< by low: on the device
  std::unique_ptr<FrameWriter> writer;  ///< by decode, and used up by write
  std::string latents_sha256;           ///< by low: of the f32 values
  std::string frames_sha256;            ///< by write: of the raw rgb24 bytes
  std::string sheet;                    ///< by write: the file of a contact sheet; empty: it could not be made

  // How it was made, by the stage's name.
  std::map<std::string, double> seconds;              ///< wall time, the device's queued work included
  std::map<std::string, std::uint64_t> device_bytes;  ///< peak bytes of tensors on the device; no entries on a CPU
  std::map<std::string, std::string> ranks;           ///< ranks that computed it, as "0" or "4-7"; set by the caller
  std::int64_t steps_resumed = 0;                     ///< denoising steps that a stored state had done already

  /// False from when the ranks of a group begin a stage together until all of them have left it: only then is an error
  /// this clip's alone.
  bool left_by_group = true;
};

/// Whether all ranks of the group compute this stage of the job's clip together: high and low, and decode where
/// execution.split_decode says so and every rank gets a row of latents.
bool is_shared(Stage stage, const Job& job, const Execution& execution);

/// Is called before each denoising step with the number of steps done, and before any other stage with step 0 of 1, on
/// the thread that calls advance(). Returning false asks for a stop. Only denoising heeds it: advance() then stores the
/// state in files.state and throws Interrupted.
using Progress = std::function<bool(Stage stage, std::int64_t step, std::int64_t steps)>;

/// Thrown by advance() when its Progress asked for a stop and the state has been stored. It is not an Error, since
/// nothing is wrong with the clip: the same job started again continues from the stored state, to the same bits. (On a
/// CPU if it computes with as many threads, since their number decides in which order LibTorch sums.)
struct Interrupted {};

/// Takes the clip through one stage and returns when the device has finished it. Stages are called in order, each once,
/// by one thread; only `write` may run on another thread while this one advances the next clip.
///
/// Stages that are_shared() are collective over execution.ranks. The leader has the clip; the other ranks pass an empty
/// clip of the same job, whose state is then the leader's. The leader's Progress decides for all. If the leader's part
/// of such a stage fails, the others return as if it were done, and clip.left_by_group is true. The other stages are
/// the leader's alone.
///
/// Throws an Error that names the stage and leaves the clip unfinished, its files incomplete. A device out of memory is
/// Error(resource), which says how much was asked for, what the stage is expected to take, and which flags help.
void advance(Clip& clip, Stage stage, Models& models, const Progress& progress = {});

/// The embeddings that the text stage makes of a job: the negative prompt's only where an expert is guided. Throws what
/// Models::embed() throws.
TextPair embed_texts(const Job& job, Models& models);

/// Embeds the texts of several clips at once, before the text stage of `job`: those of the job, then `texts` as
/// Models::embed_ahead() does. Throws what advance() throws in the text stage. On the thread that calls advance().
void embed_ahead(const Job& job, const std::vector<std::string>& texts, Models& models,
                 const std::function<bool()>& go_on = {});

/// Models::embed_ahead() until `stop` is requested. Meant for a thread of its own, which encodes text on the CPU while
/// another thread advances clips on a GPU. Never throws: when the text encoder cannot be used, the clips say so.
void embed_in_background(const std::vector<std::string>& texts, Models& models, const std::stop_token& stop);

}  // namespace wf
