// launcher/status/slurm_view.hpp: how the job of a run stands, as Slurm says.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cluster/slurm/job_state.hpp"
#include "jobs/record/history.hpp"
#include "jobs/record/submitted_job.hpp"

namespace wf {

struct SlurmView {
  std::string job;
  std::optional<JobState> state;  ///< Empty: Slurm does not know it any more, does not answer, or is not there.
};

/// "job 17: PENDING (Priority), expected to begin at 18:20:00, 2 restarts". now: Unix time.
std::string slurm_line(const SlurmView& view, double now);
/// The same for scripts. What is not known is null.
nlohmann::ordered_json slurm_json(const SlurmView& view);

/// The job that a folder's run is, or will be, part of: the one that was submitted since the run was last heard of, or
/// the one that it was started in; "" for none, and where nothing is left to be done. history: null when no run was
/// recorded yet.
std::string job_of(const RunHistory* history, const std::optional<SubmittedJob>& submitted);

/// Asks Slurm how that job stands. Empty without a job.
std::optional<SlurmView> look_at_job(const Path& output, const RunHistory* history);

}  // namespace wf
