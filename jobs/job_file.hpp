// jobs/job_file.hpp: a prompt list (YAML; prompts also from .txt, .jsonl and .csv files) becomes jobs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cluster/files.hpp"
#include "jobs/job.hpp"

namespace wf {

/// What may stand in `defaults:`, in a prompt's own map, and on the command line. Empty: not given there.
struct JobSettings {
  struct Size {
    int width, height;
  };
  struct Seed {
    std::optional<std::int64_t> value;  ///< empty: `random`
  };
  std::optional<Size> size;
  std::optional<int> frames, fps, steps, samples, priority;
  std::optional<double> shift;
  std::optional<Guidance> guidance;
  std::optional<SolverKind> solver;
  std::optional<Seed> seed;
  std::optional<std::string> negative_prompt;
};

/// Each parses one value as it stands in a list or on the command line and throws Error(input) saying what is allowed
/// ("frames must be 4k+1, got 80 (nearest: 77, 81)"), without a place: the caller knows it.
JobSettings::Size parse_size(const std::string& text);      ///< 832x480 or 832*480; multiples of 16
int parse_frames(const std::string& text);                  ///< 4k+1
JobSettings::Seed parse_seed(const std::string& text);      ///< N >= 0 or random (-1 is random too)
Guidance parse_guidance(const std::string& text);           ///< G, or HIGH,LOW
SolverKind parse_solver(const std::string& text);           ///< unipc or dpm++
int parse_count(const std::string& key, const std::string& text, int least);  ///< a decimal whole number >= least
double parse_positive(const std::string& key, const std::string& text);

struct JobList {
  std::optional<Path> model, output;  ///< as written; a relative path is meant from the current folder
  std::vector<Job> jobs;              ///< in the list's order, `samples` expanded (seed, seed+1, ...), names unique
};

/// Reads and checks the whole list. Precedence: flags > prompt's own map > defaults > built in.
/// All mistakes are reported together in one Error(input): "FILE:LINE:COLUMN: what (what to do)", the source line, a caret.
JobList read_job_list(const Path& file, const JobSettings& flags = {});

/// One job from flags alone (`generate`), with the name template applied.
Job make_job(const std::string& prompt, const JobSettings& flags);

/// "{index}-{slug}-s{seed}": 0001-two-anthropomorphic-cats-s42. The slug is ASCII, at most 40 characters, never empty.
std::string default_name(int index, const std::string& prompt, std::optional<std::int64_t> seed);

}  // namespace wf
