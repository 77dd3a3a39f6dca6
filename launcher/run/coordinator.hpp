// launcher/run/coordinator.hpp: rank 0's link between the groups and the scheduler: it takes the groups' reports, lets
// Dispatch decide, and sends the resulting orders.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "jobs/schedule/dispatch.hpp"
#include "launcher/run/groups.hpp"
#include "launcher/run/rank_agent.hpp"

namespace wf {

/// Receives the outcome of every clip. Called on the coordinator's thread.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void done(std::size_t clip, const std::string& sidecar) = 0;  ///< sidecar: JSON
  /// tried_again: whether the clip will get another attempt.
  virtual void failed(std::size_t clip, const Error& error, bool tried_again) = 0;
  /// A rank is lost, and the run goes on without it. `name`: "rank 3 (node n2)".
  virtual void lost(const std::string& name, const std::string& why) = 0;
  /// What each rank is doing. Called after every report, and at least about ten times a second.
  virtual void at_work(const std::vector<Activity>& ranks) = 0;
};

/// Runs the schedule of a run from rank 0. A group's leader speaks for it: it sends the reports and gets the orders.
class Coordinator {
 public:
  /// `dispatch` has already been told which clips earlier runs finished. All arguments must outlive the coordinator.
  Coordinator(Dispatch& dispatch, const Groups& groups, RankAgent& agent, RunObserver& observer);

  /// Where every group is a single rank and all have loaded their models, a rank that is lost or hangs costs the clips
  /// that it works on an attempt, and the run goes on without it. Before that, and in larger groups, it ends the run.
  ///
  /// To be called on a thread of its own. Returns once every group has had its last order and every other rank has sent
  /// its Farewell, the last message of a rank. After a stop signal, or an error of the disk or the node that would hit
  /// every clip, the groups finish their current step and store what they have computed. A bug, such as a report that
  /// contradicts the schedule, ends the processes of all ranks by RankAgent::abort().
  void run();

  /// Makes run() return even though work is left. May be called from any thread.
  void abandon() { abandoned_ = true; }

  /// The error of the disk or the node that ended the run, if there was one.
  const std::optional<Error>& fatal() const { return fatal_; }
  /// trace::events() of every other rank, as their Farewells brought them.
  const std::vector<std::string>& traces() const { return traces_; }

 private:
  void dispatch_until_over();
  bool over() const;
  void handle(const Message& message);
  void dispatch_report(const Message& message);
  void on_failure(const message::Failed& failed);
  void begin(int group);
  void on_loss(const message::Lost& lost);
  void stop_for(const Error& error);
  void stop();
  int holder_of(const Assignment& assignment) const;
  message::ChangeRole role_change(int group, Role role);
  void send_orders();
  void send_hints();

  Dispatch& dispatch_;
  const Groups& groups_;
  RankAgent& agent_;
  RunObserver& observer_;
  std::optional<Error> fatal_;
  std::vector<std::string> traces_;
  int lost_ranks_ = 0;
  std::map<int, Role> ready_for_;                          ///< groups that have loaded the expert of this role
  std::map<int, std::optional<std::size_t>> nearly_idle_;  ///< groups about to ask; their PrefetchHint's clip
  std::set<int> have_begun_, have_ended_;                  ///< groups that have had their first, their last order
  bool stopped_ = false;
  std::atomic<bool> abandoned_ = false;
};

}  // namespace wf
