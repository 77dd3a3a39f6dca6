// launcher/options/run_options.hpp: the choices of one run as typed values, filled in by the command line.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/files.hpp"
#include "base/log.hpp"
#include "jobs/model_source.hpp"
#include "launcher/options/hardware_preset.hpp"
#include "launcher/options/max_failures.hpp"
#include "launcher/planner/placement.hpp"
#include "pipeline/execution.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf {

/// Which device computes. `automatic`: the GPU if this build sees one, or else the CPU.
enum class DeviceChoice { automatic, cpu, cuda };

/// How a clip's video is encoded, and which other files are written.
struct VideoOptions {
  VideoCodec codec = default_codec();
  int crf = 10;                   ///< Quality of h264 and hevc, 0..51; lower is better.
  std::string preset = "medium";  ///< Speed of h264 and hevc encoding: a preset of libx264 or libx265.
  ColorMatrix color = ColorMatrix::bt709;
  bool save_latents = false;  ///< Also write the latents as NAME.h5.
  bool png = false;           ///< Also write every frame: NAME/00001.png ...
};

/// How the videos of clips that earlier runs finished are checked before they are kept; each check includes those
/// before it (launcher/run/verify.hpp).
enum class Verify { size, hash, decode };

/// How a run is carried out. Its jobs are not part of it.
struct RunOptions {
  /// What the command asks to be rendered, as text by flag, so that ranks which were started differently are found.
  std::map<std::string, std::string> request;
  ModelSource model;           ///< What flags name of it; chosen_model() adds what the list says.
  std::optional<Path> output;  ///< Folder; empty: that of the list, or else the built-in one.
  DeviceChoice device = DeviceChoice::automatic;
  std::optional<HardwarePreset> preset;  ///< apply_preset() fills in its values.
  std::optional<WeightForm> weights;   ///< How experts are kept on the device, as_computed or fp8; empty: as_computed.
  std::optional<Precision> precision;  ///< Empty: reference on a CPU, exact on a GPU.
  bool precision_is_auto = false;      ///< A flag says so; `preset` does not fill in the precision.
  std::optional<int> fp8_exact_steps;  ///< Execution::fp8_exact_steps
  ExactBlocks exact_blocks;            ///< Execution::exact_blocks
  GuidanceMode guidance_mode = GuidanceMode::automatic;
  AttentionBackend attention = AttentionBackend::automatic;
  CudaGraphs cuda_graphs = CudaGraphs::automatic;
  NoiseSource noise = NoiseSource::cpu;
  std::optional<bool> tf32;  ///< Empty: off.
  bool vae_bf16 = false;     ///< Execution::vae is bf16.
  PlanningOptions planning;
  std::uint64_t gpu_memory = 0;              ///< Bytes that tensors may take on each GPU; 0: all of its memory.
  std::optional<std::string> weights_cache;  ///< "off", "auto" or a folder; empty: weights_cache_text().
  std::uint64_t weights_cache_limit = WeightsCache().limit;
  /// Folder on each node's own disk that the model is copied to, with $VARIABLES of that node; "": it is read where it
  /// lies.
  std::string stage_weights;
  int threads = 0;   ///< Computing threads of a rank; 0: one for each core it may use.
  int ranks = 0;     ///< Ranks to start (cluster/launch/start_ranks.hpp); 0: those that mpirun or srun started.
  int restarts = 3;  ///< How often in a row, without a finished clip, ranks are started again after a loss.
  std::chrono::seconds heartbeat_timeout{8};     ///< Silence after which a rank counts as lost.
  std::chrono::seconds stall_timeout{60};        ///< Time without progress after which a rank counts as hung.
  std::chrono::seconds checkpoint{120};          ///< Work of a clip that a kill may cost; 0: no states are stored.
  std::chrono::seconds collective_timeout{600};  ///< How long the ranks of a group wait for one of them.
  VideoOptions video;
  Path trace;  ///< File for the trace of what each rank did when; empty: no trace.
  Verify verify = Verify::size;
  MaxFailures max_failures;
  bool keep_going = false;              ///< However many clips fail, the run is not held.
  Path joblog;                          ///< File for a line per attempt, in GNU parallel's columns; empty: none.
  std::string on_finish;                ///< Shell command to run when the run is over; "": none.
  bool names_are_given = false;         ///< Finished clips are not looked for under other names.
  bool force = false;                   ///< Render clips that are already there, too.
  bool dry_run = false;                 ///< Plan and check only.
  bool json = false;                    ///< Print a JSON line for each clip on stdout.
  bool quiet = false, verbose = false;  ///< Only errors and no bar; or a line for each rank, and debug lines.
  LogLevel log_level = LogLevel::info;

  /// The level of the log on stderr; `quiet` and `verbose` win over log_level.
  LogLevel shown_level() const { return quiet ? LogLevel::error : verbose ? LogLevel::debug : log_level; }
};

}  // namespace wf
