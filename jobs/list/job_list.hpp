// jobs/job_file.hpp: a prompt list (YAML; prompts also from .txt, .jsonl and .csv files) becomes jobs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/files.hpp"
#include "jobs/job.hpp"
#include "jobs/name.hpp"
#include "jobs/settings.hpp"

namespace wf {

struct JobList {
  std::optional<Path> model, output;  ///< as written; a relative path is meant from the current folder
  std::vector<Job> jobs;              ///< in the list's order, `samples` expanded (seed, seed+1, ...), names unique
};

/// Reads and checks the whole list. Precedence: flags > prompt's own map > defaults > built in.
/// All mistakes are reported together in one Error(input): "FILE:LINE:COLUMN: what (what to do)", the source line, a
/// caret.
///
/// A list is a map of model, output, defaults (job keys: settings.hpp) and prompts. A prompt is a text, or a map of
/// `prompt`, `name` and job keys, or a map of `file` (relative to the list's folder, read as jobs/prompt_file.hpp says)
/// and job keys for all its prompts. Samples of a prompt share its index; a `name` may hold {seed}, and gets "-s{seed}"
/// where samples need it. YAML's aliases are read within limits; merge keys (<<), tags, repeated keys and a second
/// document are mistakes.
JobList read_job_list(const Path& file, const JobSettings& flags = {});

/// The same from memory: `name` stands in messages, and `file:` entries are found relative to its folder.
JobList parse_job_list(std::string_view yaml, const Path& name, const JobSettings& flags = {});

/// One job from flags alone (`generate`), with the name template applied. `samples` is the caller's.
Job make_job(const std::string& prompt, const JobSettings& flags);

}  // namespace wf
