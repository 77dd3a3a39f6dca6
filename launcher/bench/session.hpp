// launcher/bench/session.hpp: one call of `wanfarm bench`: what was asked for, and how its results are printed.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "jobs/list/job_list.hpp"
#include "launcher/bench/bench.hpp"
#include "launcher/options/run_options.hpp"

namespace wf {

/// What one call of bench measures.
enum class BenchKind { forward, kernels, fp8, clip, list, comm, vae, text, load, calibrate };
constexpr const char* to_string(BenchKind kind) {
  constexpr const char* names[] = {"forward", "kernels", "fp8",  "clip", "list",
                                   "comm",    "vae",     "text", "load", "calibrate"};
  return names[static_cast<int>(kind)];
}

/// Which settings are measured. `flags`: those of the command line. `baseline`: what the official code does on one GPU.
/// `optimized`: the fastest settings that change the result by no more than rounding. `each`: several modes, those of
/// launcher/bench/toggles.hpp.
enum class BenchMode { flags, baseline, optimized, each };
constexpr const char* to_string(BenchMode mode) {
  constexpr const char* names[] = {"flags", "baseline", "optimized", "each"};
  return names[static_cast<int>(mode)];
}

/// The command line of one call of bench.
struct BenchOptions {
  BenchKind what = BenchKind::forward;
  std::vector<BenchMode> modes = {BenchMode::flags};
  RunOptions run;
  JobSettings job;
  std::optional<Expert> expert;      ///< The expert that bench fp8 measures; empty: both.
  bool skips_layers = false;         ///< bench fp8 leaves out the errors by layer.
  int runs = 3;                      ///< Measured repetitions, after a first one that is not counted.
  std::optional<Path> save_results;  ///< Where the JSON results are written as well; empty: nowhere.
  Path list;                         ///< The prompt list of bench list.
  int limit = 0;                     ///< How many clips of the list are rendered; 0: all.

  bool measures_each() const { return modes.front() == BenchMode::each; }
};

/// `run` with the settings of a mode, which is not `each`, in place of the flags of the same names. Throws what
/// chosen_execution() throws.
RunOptions with_mode(RunOptions run, BenchMode mode);

/// All that a measurement is made with in one mode, and the name that its result has.
struct ModeSettings {
  std::string mode;
  RunOptions run;
  JobSettings job;
  bool must_save_forwards = false;  ///< A clip that saves none of its forwards is refused.
};

/// The settings of a mode, which is not `each`. Throws what chosen_execution() throws.
ModeSettings settings_for(const BenchOptions& options, BenchMode mode);

/// The settings that the measured code ran with, as JSON keys and values.
nlohmann::ordered_json settings_of(const Models& models, const Job& job);

/// One result of bench: a report in one mode, for JSON and for people.
struct Result {
  std::string mode;
  nlohmann::ordered_json json;
  std::string text;
  double seconds = 0;                    ///< Report::seconds
  std::optional<ClipFigures> clip = {};  ///< Report::clip
};
Result result_of(const std::string& mode, const Report& report, const nlohmann::ordered_json& settings);
inline Result result_of(BenchMode mode, const Report& report, const nlohmann::ordered_json& settings) {
  return result_of(to_string(mode), report, settings);
}

/// What several results come to together.
struct BenchSummary {
  std::vector<Table> tables = {};
  std::string note = {};  ///< Text below the tables: what their figures mean.
};

/// Prints tables or JSON on stdout and writes the file of --save_results. Two modes are `baseline` and `optimized`,
/// whose speed-up is added. The summary comes last. Throws storage when the file cannot be written.
void print(const BenchOptions& options, const std::vector<Result>& results, const BenchSummary& summary = {});

}  // namespace wf
