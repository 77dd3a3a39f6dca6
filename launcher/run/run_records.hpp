// launcher/run/run_records.hpp: what a run leaves behind and shows of its clips beside their files: results.csv and
// results.jsonl, failed.yaml, metrics.prom, the job log, the summary, the lines of --json, the log, the progress bar.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "jobs/model_source.hpp"
#include "jobs/output/publish.hpp"
#include "jobs/record/attempts.hpp"
#include "jobs/record/failed_list.hpp"
#include "jobs/record/joblog.hpp"
#include "jobs/record/results_tables.hpp"
#include "launcher/options/run_options.hpp"
#include "launcher/run/coordinator.hpp"
#include "launcher/run/earlier_starts.hpp"
#include "launcher/run/metrics_file.hpp"
#include "launcher/run/progress.hpp"
#include "launcher/run/results.hpp"

namespace wf {

/// Whether the run is of a list, and of all its clips.
bool renders_whole_list(const RunOptions& options);
/// Whether the run's clips are the list of the folder from now on. Else they are part of the list that it knows: chosen
/// clips, drafts, or those in its failed.yaml.
bool brings_own_list(const RunOptions& options, const Path& output);

/// Clips are indices into the jobs. What cannot be written throws Error(storage).
class RunRecords final : public RunObserver {
 public:
  /// Of the run as a whole. The references outlive the records.
  struct Setting {
    const std::vector<Job>& jobs;
    const RunFolder& folder;
    const std::map<std::size_t, Sidecar>& finished;         ///< clips that earlier runs finished
    const std::multimap<std::size_t, std::size_t>& copies;  ///< clips that become copies of a clip once it is rendered
    const RunOptions& options;
    const Groups& groups;
    const std::vector<std::string>& nodes;  ///< of each rank
    ModelSource model = {};
    int branches = 1;  ///< guidance branches with ranks of their own, 1 or 2
  };
  /// predicted: seconds of each stage, for the progress bar.
  RunRecords(const Setting& setting, const Predicted& predicted);
  ~RunRecords() override;

  /// Records the clips that earlier runs finished, with the attempts in which they did: by fingerprint, as far as they
  /// are known.
  void finished_before(const std::unordered_map<std::string, LastAttempt>& attempts);

  void assigned(std::size_t clip, int leader, Stage first, Stage last) override;
  void handed_over(std::size_t clip, const SecondsByStage& seconds) override;
  void interrupted(std::size_t clip, Stage stage, int code) override;
  void done(std::size_t clip, const std::string& sidecar) override;
  void failed(std::size_t clip, const Error& error, bool tried_again) override;
  void quarantined(std::size_t clip, const Error& error) override;
  void cancelled(std::size_t clip) override;
  void not_cancelled(std::size_t clip) override;
  void retried(std::size_t clip, Ended how) override;
  void lost(int rank, const std::string& name, const std::string& why) override;
  void groups_left(int groups) override { progress_.groups_left(groups); }
  void at_work(const std::vector<Activity>& ranks) override;

  Standing standing(const std::vector<Activity>& ranks) const { return progress_.standing(ranks); }
  /// The summary so far. seconds: wall time of the run.
  Summary summary(double seconds) const;
  /// The run is over: what is written now and then is written for the last time.
  void finish(const Summary& summary, int exit_code);

 private:
  void end(std::size_t clip, const ClipResult& result);
  void end_with_copies(std::size_t clip, ClipResult result);
  void record_done(std::size_t clip, const Sidecar& sidecar);
  void log_attempt(const Attempt& attempt, int exit_code, std::uint64_t bytes = 0);
  std::size_t count(ClipResult::Status status) const { return ended_[static_cast<std::size_t>(status)]; }
  std::map<std::string, std::size_t> clips_by_state() const;

  Setting setting_;
  std::string command_;  ///< for the job log; a clip's name follows
  ResultsTables tables_;
  FailedList failed_;
  MetricsFile metrics_;
  std::optional<Joblog> joblog_;
  Attempts attempts_;
  std::array<std::size_t, 5> ended_ = {};  ///< clips by ClipResult::Status
  ProgressDisplay progress_;
};

}  // namespace wf
