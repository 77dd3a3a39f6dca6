// launcher/bench/session.hpp: one call of `wanfarm bench`: what was asked for, and how its results are told.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "jobs/job_file.hpp"
#include "launcher/bench/bench.hpp"
#include "launcher/flags.hpp"

namespace wf {

struct BenchOptions {
  std::string what, mode;
  RunOptions run;
  JobSettings job;
  int runs = 3;
  std::optional<Path> save_results;
  Path list;  ///< of bench list, and what of it
  int limit = 0;
};

/// baseline, optimized, or the one that --mode names; "": what the flags say.
std::vector<std::string> modes_of(const std::string& mode);

/// The settings of `--mode`, instead of the flags of the same names: what the official code does on one GPU, and the
/// fastest that changes no more than roundings. Throws what chosen_execution() throws.
RunOptions with_mode(RunOptions run, const std::string& mode);

/// How the measured code ran.
nlohmann::ordered_json settings_of(const Models& models, const Job& job);

struct Result {
  nlohmann::ordered_json json;
  std::string text;
  double seconds = 0;
};
Result result_of(const std::string& mode, const Report& report, const nlohmann::ordered_json& settings);

/// Tables or JSON on stdout, and the file of --save_results.
void tell(const BenchOptions& options, const std::vector<Result>& results);

}  // namespace wf
