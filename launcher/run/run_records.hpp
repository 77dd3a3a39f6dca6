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
  /// copies: the clips that become copies of a clip once it is rendered. predicted: seconds of each stage, for the
  /// progress bar. groups, ranks: of the run. All references outlive the records.
  RunRecords(const std::vector<Job>& jobs, RunFolder& folder, const std::multimap<std::size_t, std::size_t>& copies,
             const Predicted& predicted, const RunOptions& options, int groups, int ranks);

  /// Records the clips that earlier runs finished, by index into the jobs.
  void finished_before(const std::map<std::size_t, Sidecar>& clips);

  void done(std::size_t clip, const std::string& sidecar) override;
  void failed(std::size_t clip, const Error& error, bool tried_again) override;
  void lost(const std::string& name, const std::string& why) override;
  void at_work(const std::vector<Activity>& ranks) override { progress_.at_work(ranks); }

  /// The summary so far. seconds: wall time of the run.
  Summary summary(double seconds) const;

 private:
  void record_done(std::size_t clip, const Sidecar& sidecar);
  void record_failed(std::size_t clip, const Error& error);

  const std::vector<Job>& jobs_;
  RunFolder& folder_;
  const std::multimap<std::size_t, std::size_t>& copies_;
  const RunOptions& options_;
  ProgressDisplay progress_;
  Summary summary_;
};

}  // namespace wf
