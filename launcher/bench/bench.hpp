// launcher/bench/bench.hpp: what can be measured. Every figure comes from this run: the ceilings that a floor is made
// of, too. A floor is the time that the necessary arithmetic and traffic would take at those ceilings.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "jobs/job.hpp"
#include "launcher/bench/table.hpp"
#include "launcher/flags.hpp"
#include "pipeline/models.hpp"
#include "pipeline/profile.hpp"

namespace wf {

/// How much noise stands in for a clip.
struct LatentSize {
  std::int64_t frames, height, width;  ///< t, h and w
  std::int64_t tokens() const { return frames * (height / 2) * (width / 2); }
  std::int64_t pixels() const { return (4 * frames - 3) * 8 * height * 8 * width; }  ///< of all decoded frames
};

/// What is measured, and how often.
struct Bench {
  Models& models;
  const Job& job;  ///< size, frames, steps, shift, prompts
  int runs = 3;    ///< after one that is not counted
  RunOptions options = {};

  at::Device device() const { return models.execution().device; }
  std::int64_t latent_frames() const { return (job.frames - 1) / 4 + 1; }
  LatentSize latents() const { return {latent_frames(), job.height / 8, job.width / 8}; }
  /// "bf16", "f32", or what f32 products are computed in: "TF32".
  std::string arithmetic(at::ScalarType dtype, at::Device on) const;
};

struct Report {
  std::string title;
  std::vector<Table> tables;
  double seconds = 0;     ///< of what was measured, to compare two reports by
  std::string note = {};  ///< below the tables: what their figures mean
};

/// One forward of an expert; then one more with the time of each kind of operation.
Report bench_forward(const Bench& bench);
/// Decoding random latents to frames on the host.
Report bench_vae(const Bench& bench);
/// Encoding the default prompts, and a text as long as the experts take.
Report bench_text(const Bench& bench);
/// The figures that plans count with (launcher/planner/hardware.hpp), measured here and written to the user's
/// calibration file: forwards of two lengths, decoding, both texts, copies. Those of links stay as they are.
Report bench_calibrate(const Bench& bench);
/// Whole clips from prompt to file, as a run makes them; the first one loads the model.
Report bench_clip(const Bench& bench);

/// Least seconds of one forward of the high-noise expert: what others do on this machine is not in them.
double time_forward(const Bench& bench, const LatentSize& size);
/// The same of decoding to frames on the host.
double time_decode(const Bench& bench, const LatentSize& size);

/// Seconds of each run of `work` on the device, after one that is not counted.
struct Timing {
  std::vector<double> runs;
  double median() const;
  double least() const;
};
Timing time_runs(at::Device device, int runs, const std::function<void()>& work);
double median(std::vector<double> values);

/// A device that is out of memory in `work` is an Error that says what takes less; what: "bench forward".
void in_memory(const std::string& what, at::Device device, const std::function<void()>& work);

inline constexpr double tera = 1e12, giga = 1e9, gibi = static_cast<double>(1ull << 30);

/// What networks are made of, at its best here: operations a second of a matrix product, bytes a second of a copy.
struct Ceilings {
  double matmul = 0, copy = 0;
};
Ceilings measure_ceilings(at::Device device, at::ScalarType dtype);
Table to_table(const Ceilings& ceilings, at::Device device, const std::string& kind);

/// A line of such a table, and the table.
std::vector<Cell> matmul_line(double rate, at::Device device, const std::string& kind);
Table ceiling_table(std::vector<std::vector<Cell>> lines);
/// One line for each kind of operation that matters, one for all others, one for what lies between them.
Table operations_table(const Profile& profile);
/// "1.0 GiB" as a number; nothing where bytes are not counted (0: a CPU).
Cell in_gib(std::uint64_t bytes);
/// By how many percent the first is more than the second; nothing where either is 0.
Cell difference_percent(double measured, double predicted);

}  // namespace wf
