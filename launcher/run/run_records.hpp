// launcher/run/run_records.hpp: what a run leaves behind and shows of its clips beside their files: results.csv, the
// lines of --json, the log, the progress bar, the summary.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "jobs/output/publish.hpp"
#include "launcher/options/run_options.hpp"
#include "launcher/run/coordinator.hpp"
#include "launcher/run/progress.hpp"
#include "launcher/run/results.hpp"

namespace wf {

class RunRecords final : public RunObserver {
 public:
  /// predicted: seconds of each stage, for the progress bar. ranks: of the run. All references outlive the records.
  RunRecords(const std::vector<Job>& jobs, RunFolder& folder, const Predicted& predicted, const RunOptions& options,
             int ranks);

  /// Records the clips that earlier runs finished, by index into the jobs.
  void finished_before(const std::map<std::size_t, Sidecar>& clips);

  void done(std::size_t clip, const std::string& sidecar) override;
  void failed(std::size_t clip, const Error& error, bool tried_again) override;
  void at_work(const std::vector<Activity>& ranks) override { progress_.at_work(ranks); }

  /// The summary so far. seconds: wall time of the run.
  Summary summary(double seconds) const;

 private:
  const std::vector<Job>& jobs_;
  RunFolder& folder_;
  const RunOptions& options_;
  ProgressDisplay progress_;
  Summary summary_;
};

}  // namespace wf
