// launcher/run/run_journal.hpp: what rank 0 records of a run for readers on any node: the journal of its events, and
// the status file that says how it stands now.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "jobs/record/attempts.hpp"
#include "jobs/record/history.hpp"
#include "jobs/record/journal.hpp"
#include "jobs/record/live_status.hpp"
#include "launcher/run/coordinator.hpp"
#include "launcher/run/progress.hpp"

namespace wf {

/// Writes every event into the journal before it passes it on to the next observer.
class RunJournal final : public RunObserver {
 public:
  /// Of the run as a whole.
  struct Setting {
    const Path& output;
    const std::vector<Job>& jobs;
    const std::vector<std::string>& fingerprints;  ///< of each job
    std::string command_id;                        ///< run_id()
    int ranks = 1;
    std::int64_t last_epoch = 0;  ///< of the journal until now
    RunJob job = {};              ///< of Slurm, that this start is part of
    /// How far the run is while the ranks are doing this.
    std::function<Standing(const std::vector<Activity>&)> standing;
  };
  /// Begins an epoch. The references outlive this object. Throws Error(storage).
  RunJournal(Setting setting, RunObserver& next);

  std::int64_t epoch() const { return journal_.epoch(); }
  /// How the run stands, as it was written last.
  const LiveStatus& status() const { return status_; }
  /// An earlier run had finished the clip, which the journal may know.
  void found(std::size_t clip, bool is_known);
  /// The last event of a run that ends by itself.
  void ended(int exit_code, const std::string& summary);
  /// A loss that ends the run. For any thread.
  void lost_for_good(int rank, const std::string& why);

  void assigned(std::size_t clip, int leader, Stage first, Stage last) override;
  void handed_over(std::size_t clip, const SecondsByStage& seconds) override;
  void interrupted(std::size_t clip, Stage stage, int code) override;
  void done(std::size_t clip, const std::string& sidecar) override;
  void failed(std::size_t clip, const Error& error, bool tried_again) override;
  void quarantined(std::size_t clip, const Error& error) override;
  void cancelled(std::size_t clip) override;
  void not_cancelled(std::size_t clip) override;
  void retried(std::size_t clip, Ended how) override;
  void paused(bool is_paused) override;
  void draining(const std::string& why) override;
  void role_changed(int leader, Role role) override;
  void lost(int rank, const std::string& name, const std::string& why) override;
  void groups_left(int groups) override { next_.groups_left(groups); }
  void at_work(const std::vector<Activity>& ranks) override;

 private:
  void note(const Event& event);
  Event about(Event::Kind kind, std::size_t clip) const;
  void note_activities(const std::vector<Activity>& ranks, double now);
  void change_state(const std::string& state);
  void write_status(double now);

  Setting setting_;
  RunObserver& next_;
  Journal journal_;
  LiveStatus status_;
  std::vector<Activity> seen_;  ///< of each rank
  Attempts attempts_;
  double began_ = 0, written_ = 0;  ///< Unix time; of the run, and of the status file
  std::optional<Error> error_;      ///< of the disk, not thrown yet
  bool warned_ = false;
};

}  // namespace wf
