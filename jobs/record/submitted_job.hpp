// jobs/record/submitted_job.hpp: OUTPUT/.wanfarm/job.json: the job of Slurm that was submitted for a folder, which may
// wait for long before its run begins.
#pragma once

#include <optional>
#include <string>

#include "base/files.hpp"

namespace wf {

struct SubmittedJob {
  std::string id;        ///< As Slurm names it: "17".
  double submitted = 0;  ///< Unix time.
  bool operator==(const SubmittedJob&) const = default;
};

/// Takes the place of an earlier one. Throws Error(storage).
void write_submitted_job(const Path& output, const SubmittedJob& job);
/// Empty when there is none, or when the file is broken.
std::optional<SubmittedJob> read_submitted_job(const Path& output);

}  // namespace wf
