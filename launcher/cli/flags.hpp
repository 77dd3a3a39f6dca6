// launcher/cli/flags.hpp: the flags that several verbs share, and the setters that parse their values.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "jobs/list/job_list.hpp"
#include "launcher/cli/command.hpp"
#include "launcher/options/run_options.hpp"

namespace wf {

/// The kinds of presets that --preset takes, each with the place where its choice is stored; null: not taken. That of
/// the encoder is taken because the flag was the encoder's own before --encoder-preset.
struct PresetTargets {
  std::optional<Preset>* clips = nullptr;
  std::optional<HardwarePreset>* hardware = nullptr;
  std::string* encoder = nullptr;
};

/// --preset, which may be given once for each kind; of one kind the last counts.
Flag preset_flag(const PresetTargets& targets);

/// Flags for the values of clips, one per key of a list's `defaults:`, which they override. Their --preset takes
/// presets of clips, and those of `others`.
std::vector<Flag> job_flags(JobSettings& settings, PresetTargets others = {});
/// Flags for how a run is carried out: model, output, device, placement, resources, logging.
std::vector<Flag> run_flags(RunOptions& options);
/// The part of run_flags() that forces a placement; `plan` takes it without the rest.
std::vector<Flag> placement_flags(PlanningOptions& planning);

/// Flags for the part of a list that is taken: the arguments of select() (jobs/list/selection.hpp).
std::vector<Flag> selection_flags(std::string& only, int& limit);
/// Adds `more` at the end of `flags`.
void append(std::vector<Flag>& flags, std::vector<Flag> more);
/// The flags whose `names` are listed, in their own order.
std::vector<Flag> only_named(std::vector<Flag> flags, std::span<const char* const> names);

/// Setters for the kinds of job values. All throw Error(input), saying what is accepted.
std::function<void(const std::string&)> into(std::optional<JobSettings::Size>& target);
std::function<void(const std::string&)> into(std::optional<JobSettings::Seed>& target);
std::function<void(const std::string&)> into(std::optional<Guidance>& target);
std::function<void(const std::string&)> into(std::optional<SolverKind>& target);
std::function<void(const std::string&)> into(std::optional<JobSettings::Cache>& target);
std::function<void(const std::string&)> into(std::optional<JobSettings::Interval>& target);
std::function<void(const std::string&)> into_frames(std::optional<int>& target);
std::function<void(const std::string&)> into_count(const std::string& key, std::optional<int>& target, int least);
/// A setter for a number of bytes, written "48GiB", "48GB", or "48" for GiB.
std::function<void(const std::string&)> into_bytes(std::uint64_t& target);
/// A setter for bytes a second, written "12GB/s".
std::function<void(const std::string&)> into_rate(double& target);
/// A setter for whole seconds, written "120" or "120s".
std::function<void(const std::string&)> into_seconds(std::chrono::seconds& target, int least);
/// A setter for "10", or "5%" of the clips.
std::function<void(const std::string&)> into(MaxFailures& target);
std::function<void(const std::string&)> into_negative_prompt(std::optional<std::string>& target);
std::function<void(const std::string&)> into_shift(std::optional<double>& target);

}  // namespace wf
