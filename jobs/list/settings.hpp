// jobs/list/settings.hpp: the values of a job that a list or the command line can set, and how each is parsed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/files.hpp"
#include "jobs/job.hpp"

namespace wf {

/// One word for several values. lightning: the settings of models that were distilled to four steps.
enum class Preset { lightning };
constexpr std::string_view to_string(Preset) { return "lightning"; }

/// The job keys of `defaults:`, of a prompt's own map or of the command line. An empty value was not given there.
struct JobSettings {
  struct Size {
    int width, height;  ///< In pixels.
  };
  struct Seed {
    std::optional<std::int64_t> value;  ///< Empty for `random`.
  };
  struct Cache {
    std::optional<StepCache> value;  ///< Empty for `off`.
  };
  struct Interval {
    std::optional<GuidanceInterval> value;  ///< Empty for `off`.
  };
  std::optional<Size> size;
  std::optional<int> frames, fps, steps, samples, priority;
  std::optional<double> shift;
  std::optional<Guidance> guidance;
  std::optional<SolverKind> solver;
  std::optional<Preset> preset;  ///< Its values stand just below the others given here: see merged().
  std::optional<Seed> seed;
  std::optional<std::string> negative_prompt;
  std::optional<Cache> step_cache;
  std::optional<Interval> guidance_interval;
};

// Parsers of one value each, as it is written in a list or on the command line. They throw Error(input) with what is
// allowed ("frames must be 4k+1, got 80 (nearest: 77, 81)"), to which the caller adds the location. Numbers are plain
// decimals: no leading zeros or '+', no 1_000, 0x10, inf or nan.

JobSettings::Size parse_size(const std::string& text);  ///< 832x480 or 832*480; multiples of 16, at most 8192.
int parse_frames(const std::string& text);              ///< 4k+1, at most 10001.
JobSettings::Seed parse_seed(const std::string& text);  ///< N >= 0, or random (-1 means random, too).
Guidance parse_guidance(const std::string& text);       ///< SCALE for both experts, or HIGH,LOW.
/// A scale of guidance: a number from 0 to 1000, or none. `key` is its name in messages.
std::optional<double> parse_scale(const std::string& key, const std::string& text);
double parse_shift(const std::string& text);       ///< 0.001 to 1000.
SolverKind parse_solver(const std::string& text);  ///< unipc, dpm++ or euler.
Preset parse_preset(const std::string& text);      ///< lightning.
/// off, magcache, magcache:E,K,R, or the path of a JSON file (jobs/step_cache_file.hpp), which is read; a relative one
/// starts at `folder`, which is the current one where it is empty.
JobSettings::Cache parse_step_cache(const std::string& text, const Path& folder = {});
StepCacheRule parse_step_cache_rule(const std::string& text);  ///< E,K,R: above 0; 1 to 1000; from 0 to 1.
/// off; FROM,TO in steps, whole numbers from 1; or in sigma, numbers from 0 to 1 with a decimal point.
JobSettings::Interval parse_guidance_interval(const std::string& text);
/// A whole number >= min. `key` decides on the upper bound: steps 1000, fps 240, samples 10000.
int parse_count(const std::string& key, const std::string& text, int min);
double parse_not_negative(const std::string& key, const std::string& text);  ///< A finite number >= 0.
double parse_strength(const std::string& text);                              ///< Of a LoRA, from -100 to 100.
/// Throws Error(input) when the text is not UTF-8, contains control characters other than tabs and line ends, is longer
/// than 10,000 characters or, for the key "prompt" only, is empty.
void check_prompt(const std::string& key, const std::string& text);

/// One job key as users write it.
struct Setting {
  std::string_view key;
  std::string_view must_be;  ///< What a value of the wrong type should have been, for messages.
  std::function<void(JobSettings&, const std::string& text)> set;
};
/// All job keys, in the order of the documentation.
std::span<const Setting> all_settings();

/// The values of `over` where given, else those of its preset, else those of `under`, else those of the preset of
/// `under`.
JobSettings merged(const JobSettings& over, const JobSettings& under);

/// A job with these settings, the values of their preset where they are empty, and built-in ones where that has none.
/// Ignores `samples`. Throws Error(input) for a step cache with a preset of few steps: a model that was distilled to
/// them changes too much in each.
Job apply(const JobSettings& settings);

/// Whether the settings have the preset lightning and yet a guidance above 1, which is worth a warning.
bool overdoes_guidance(const JobSettings& settings);
inline constexpr std::string_view overdone_guidance =
    "preset lightning with a guidance above 1: a model that was distilled for it has the guidance within, and overdoes "
    "colours and contrast with more (leave guidance out, or say none)";

}  // namespace wf
