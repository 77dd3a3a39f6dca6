// jobs/settings.hpp: the values of a job that a list or the command line can set, and how each is read from text.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

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
/// ("frames must be 4k+1, got 80 (nearest: 77, 81)"), without a place: the caller knows it. Numbers are decimal and
/// written plainly: no leading zeros or '+', no 1_000, 0x10, inf or nan.
JobSettings::Size parse_size(const std::string& text);  ///< 832x480 or 832*480; multiples of 16, at most 8192
int parse_frames(const std::string& text);              ///< 4k+1, at most 10001
JobSettings::Seed parse_seed(const std::string& text);  ///< N >= 0 or random (-1 is random too)
Guidance parse_guidance(const std::string& text);       ///< G, or HIGH,LOW
SolverKind parse_solver(const std::string& text);       ///< unipc or dpm++
/// A decimal whole number >= least; steps at most 1000, fps 240, samples 10000.
int parse_count(const std::string& key, const std::string& text, int least);
double parse_positive(const std::string& key, const std::string& text);
double parse_not_negative(const std::string& key, const std::string& text);
/// Throws Error(input) when the text is not UTF-8, holds control characters other than tabs and line ends, is longer
/// than 10,000 characters or (a prompt only) empty.
void check_prompt(const std::string& key, const std::string& text);

/// One key of a job as users write it.
struct Setting {
  std::string_view key;
  std::string_view must_be;  ///< in words, for a value of the wrong type
  std::function<void(JobSettings&, const std::string& text)> set;
};
/// All of them, in the order of documentation.
std::span<const Setting> all_settings();

/// What `over` gives, else what `under` gives.
JobSettings merged(const JobSettings& over, const JobSettings& under);

/// A job with these settings, and the built-in values where they are empty (`samples` is the caller's).
Job apply(const JobSettings& settings);

}  // namespace wf
