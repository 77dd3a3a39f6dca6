// launcher/bench/bench.hpp: what can be measured, and how a measurement is reported. Every figure is measured in the
// run that shows it, and so are the ceilings that a floor is computed from: a floor is the time that the necessary
// arithmetic and memory traffic would take at those ceilings.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/table.hpp"
#include "jobs/job.hpp"
#include "launcher/bench/profile.hpp"
#include "launcher/options/run_options.hpp"
#include "pipeline/stages/models.hpp"
#include "pipeline/stages/velocity.hpp"

namespace wf {

/// Extents of a clip's latents [16, frames, height, width]: frames/4, height/8 and width/8 of the video's.
struct LatentSize {
  std::int64_t frames, height, width;
  /// Tokens of the DiT: a patch is 1 x 2 x 2 latents.
  TokenGrid grid() const { return {frames, height / 2, width / 2}; }
  std::int64_t tokens() const { return grid().tokens(); }
  /// Pixels of all decoded frames.
  std::int64_t pixels() const { return (4 * frames - 3) * 8 * height * 8 * width; }
};

/// What `bench fp8` measures.
struct Fp8Choices {
  std::optional<Expert> expert = {};  ///< The only expert; empty: both.
  ExactBlocks exact_blocks = {};      ///< The rule that is measured; none: the one that the errors give.
  bool skips_layers = false;          ///< Leaves out the errors by layer, which take seven forwards for each step.
};

/// Where the videos of measured clips go, which are numbered from 1: bench-1.mp4, bench-2.mp4 ...
struct VideoFiles {
  Path folder;  ///< Exists.
  std::string name = "bench";
};

/// One measurement on one rank: the model, the clip, and how often it is repeated.
struct Bench {
  Models& models;
  const Job& job;  ///< Size, frames, steps, shift and prompts of the measured clip.
  int runs = 3;    ///< Measured repetitions, after a first one that is not counted.
  RunOptions options = {};
  Fp8Choices fp8 = {};
  VideoFiles videos = {};  ///< Of bench_clip().

  at::Device device() const { return models.execution().device; }
  std::int64_t latent_frames() const { return (job.frames - 1) / 4 + 1; }
  LatentSize latents() const { return {latent_frames(), job.height / 8, job.width / 8}; }
  /// What products of this dtype are computed in: "bf16", "f32", or "TF32" where a GPU may round f32 to it.
  std::string arithmetic(at::ScalarType dtype, at::Device on) const;
};

/// What modes of bench clip are compared by, beside their seconds.
struct ClipFigures {
  std::int64_t forwards = 0;     ///< Of the experts, in one clip.
  std::uint64_t peak_bytes = 0;  ///< Of the device's memory, over all clips and stages; 0 on a CPU.
  Path video;                    ///< Of the first clip.
};

/// The outcome of a measurement, for people and for JSON.
struct Report {
  std::string title;
  std::vector<Table> tables;
  double seconds = 0;                    ///< Time of what was measured; --mode both divides two of them.
  std::string note = {};                 ///< Text below the tables: what their figures mean.
  std::optional<ClipFigures> clip = {};  ///< Of bench_clip().
};

/// One forward of the high-noise expert, then one more with the time of each kind of operation.
Report bench_forward(const Bench& bench);

/// Decoding of random latents to frames in host memory.
Report bench_vae(const Bench& bench);

/// Encoding of the default prompts, and of a text as long as the experts take.
Report bench_text(const Bench& bench);

/// Loading the high-noise expert from its files and, with a weights cache, from its copy there; from the disk and from
/// the page cache; beside what the disk gives to a plain read in the same run.
Report bench_load(const Bench& bench);

/// Relative errors of forwards with products of 8-bit numbers along the trajectory of an exact clip, for both experts
/// or one: of each precision against f32, of each kind of layer and of each block against `exact`, and which blocks and
/// steps should be exact by that. The models are in `exact`, with one expert at a time; with TF32 allowed, the f32
/// forwards alone use it. Throws input when no step is the chosen expert's, or there is no such block.
Report bench_fp8(const Bench& bench);

/// Every kernel of an expert's block by itself (kernel_cases.hpp), against the rates of a copy and of a large product.
/// Loads no weights.
Report bench_kernels(const Bench& bench);

/// Measures the figures that plans count with (launcher/planner/hardware.hpp) and writes them to the user's calibration
/// file: forwards of two lengths, decoding, both texts, copies. Figures of links between GPUs stay as they are. Throws
/// input when the file is there and is no calibration, storage when it cannot be written.
Report bench_calibrate(const Bench& bench);

/// Whole clips from prompt to file, as a run makes them, into bench.videos. The first one loads the model.
Report bench_clip(const Bench& bench);

/// Seconds of one forward of the high-noise expert: the least of the runs, so that other work on the node does not
/// count.
double time_forward(const Bench& bench, const LatentSize& size);

/// Seconds of decoding to frames in host memory with these weights: the least of the runs.
double time_decode(const Bench& bench, const VaeWeights& vae, const LatentSize& size);

/// Seconds of each run of a measurement; at least one.
struct Timing {
  std::vector<double> runs;
  double median() const;
  double least() const;
};

/// Times `runs` calls of `work` on the device, after one that is not counted.
Timing time_runs(at::Device device, int runs, const std::function<void()>& work);

/// The middle value, or the mean of the two in the middle. `values` is not empty.
double median(std::vector<double> values);

/// Calls `work`. When the device runs out of memory in it, throws Error(resource) that says what takes less; `what`
/// starts its text: "bench forward".
void in_memory(const std::string& what, at::Device device, const std::function<void()>& work);

/// Computes one velocity again at each call; its forwards are replayed from the third on if `graphs` allows it.
std::function<at::Tensor()> repeated_velocity(const at::Tensor& x, double timestep, const Conditions& conditions,
                                              const DitWeights& expert, Execution execution, CudaGraphs graphs);

inline constexpr double tera = 1e12, giga = 1e9, gibi = static_cast<double>(1ull << 30);

/// The best rates of this device for what networks are made of.
struct Ceilings {
  double matmul = 0;                      ///< Operations a second of a large matrix product.
  double copy = 0;                        ///< Bytes a second that a large copy reads and writes.
  std::optional<double> fp8_matmul = {};  ///< Operations a second of a large product of 8-bit numbers, if measured.
};
Ceilings measure_ceilings(at::Device device, at::ScalarType dtype, bool with_fp8 = false);

/// The table of ceilings. `kind`: what the products are computed in, as Bench::arithmetic() returns it.
Table to_table(const Ceilings& ceilings, at::Device device, const std::string& kind);

/// The line of a table of ceilings for matrix products of `rate` operations a second.
std::vector<Cell> matmul_line(double rate, at::Device device, const std::string& kind);

/// A table of ceilings from lines of (what, value, unit).
Table ceiling_table(std::vector<std::vector<Cell>> lines);

/// One line for each kind of operation that takes 0.2 % of the time or more, one for all others, and one for the time
/// between operations.
Table operations_table(const Profile& profile);

/// Bytes in GiB; an empty cell for 0, which is what a CPU reports.
Cell in_gib(std::uint64_t bytes);

/// By how many percent `measured` exceeds `predicted`; an empty cell where either is 0.
Cell difference_percent(double measured, double predicted);

}  // namespace wf
