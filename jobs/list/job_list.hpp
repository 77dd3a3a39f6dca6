// jobs/list/job_list.hpp: reads a prompt list (YAML; prompts also from .txt, .jsonl and .csv files) into jobs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.hpp"
#include "jobs/job.hpp"
#include "jobs/list/name.hpp"
#include "jobs/list/settings.hpp"
#include "jobs/model_source.hpp"

namespace wf {

struct JobList {
  ModelSource model;           ///< Of the keys `model` and `loras`; empty where the list names none.
  std::optional<Path> output;  ///< As written in the list, as are the model's paths: they start at the current folder.
  std::vector<Job> jobs;  ///< Clips in the list's order, with `samples` expanded (seed, seed+1, ...) and unique names.
  std::vector<std::string> warnings = {};  ///< What is probably not meant, with its place: to be shown to the user.
};

/// Reads and checks the whole list. Precedence: flags > prompt's own map > defaults > built-in values; at each level
/// the values of a `preset` stand below the others. Throws one Error(input) with all diagnostics: "FILE:LINE:COLUMN:
/// what (what to do)", the source line and a caret.
///
/// A list is a map of model and loras (model_keys.hpp), output, defaults (job keys: settings.hpp) and prompts. A prompt
/// is a text, or a map of `prompt`, `name` and job keys, or a map of `file` (relative to the list's folder, format:
/// prompt_file.hpp) and job keys for all prompts of that file. Samples of a prompt share its index; a `name` may
/// contain {seed}, and "-s{seed}" is appended to it where samples need it. YAML aliases are read within limits; merge
/// keys (<<), tags, repeated keys and a second document are errors.
JobList read_job_list(const Path& file, const JobSettings& flags = {});

/// Reads a list from memory. `name` is the file's name in messages; `file:` entries are relative to its folder.
JobList parse_job_list(std::string_view yaml, const Path& name, const JobSettings& flags = {});

/// One job from flags alone (`generate`), with its default name. Ignores `samples`: the caller makes the samples.
/// Throws Error(input) when the prompt is not valid (check_prompt).
Job make_job(const std::string& prompt, const JobSettings& flags);

}  // namespace wf
