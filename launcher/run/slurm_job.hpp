// launcher/run/slurm_job.hpp: the job of Slurm that a run is part of: its comment shows how far the run is, and the run
// stops before the job's end.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "cluster/slurm/job_state.hpp"
#include "cluster/slurm/own_job.hpp"
#include "jobs/record/live_status.hpp"

namespace wf {

/// "142/248, eta 3:10 h", "142/248, 3 failed, draining": the clips that are done, of all.
std::string progress_comment(const LiveStatus& status);

/// How a job's controller is asked and told. Tests have their own.
struct SlurmAccess {
  std::function<std::optional<JobState>(const std::string& id)> state = job_state;
  std::function<bool(const std::string& id, const std::string& comment)> set_comment = set_job_comment;
  /// Between two calls, unless the run's state changes; every fifth asks for the job's.
  std::chrono::milliseconds period = std::chrono::minutes(1);
};

/// Talks to Slurm on a thread of its own, so that nobody waits for a controller that does not answer. A comment that
/// somebody else wrote stays; where Slurm refuses ours three times in a row, there are no more.
class SlurmJob {
 public:
  /// reserve: seconds that the ranks take at most to end what they are at and to store it. Half of the time that is
  /// left when Slurm answers first, if that is less.
  SlurmJob(OwnJob job, double reserve, SlurmAccess access = {});
  /// The comment becomes that of the last show().
  ~SlurmJob();

  /// How the run stands.
  void show(const LiveStatus& status);
  /// Why the run has to stop now; "" as long as it has not to, or as the job's end is not known. now: Unix time.
  std::string why_stop(double now) const;

 private:
  void keep_in_touch(const std::stop_token& stop);
  void ask();
  void write_comment();

  const OwnJob job_;
  const SlurmAccess access_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  double reserve_;
  std::optional<double> ends_;       ///< Unix time
  std::string comment_, written_;    ///< The one to be shown; the one that Slurm has.
  std::string run_state_;            ///< "running", ...
  int failures_ = 0;                 ///< Comments in a row that Slurm did not take.
  bool has_news_ = false;            ///< Another state of the run, which is shown at once.
  std::optional<bool> may_comment_;  ///< Empty: Slurm has not answered yet.
  std::jthread thread_;              // last: it uses the others
};

}  // namespace wf
