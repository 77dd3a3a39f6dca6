// launcher/run/coordinator.hpp: on rank 0, between the groups and the scheduler: reports come in, Dispatch decides,
// orders go out.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "jobs/schedule/dispatch.hpp"
#include "launcher/run/groups.hpp"
#include "launcher/run/rank_agent.hpp"

namespace wf {

/// Is told what becomes of the clips, on the coordinator's thread.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void done(std::size_t clip, const std::string& sidecar) = 0;  ///< sidecar: JSON
  virtual void failed(std::size_t clip, const Error& error, bool tried_again) = 0;
  virtual void at_work(const std::vector<Activity>& ranks) = 0;  ///< about ten times a second
};

class Coordinator {
 public:
  /// `dispatch` knows what earlier runs have finished. All arguments outlive the coordinator.
  Coordinator(Dispatch& dispatch, const Groups& groups, RankAgent& agent, RunObserver& observer);

  /// Runs on a thread of its own until every group has its last order and the other ranks have said farewell. After a
  /// stop signal, or an error of the disk or the node that no clip would escape, the groups end their step and keep
  /// what is computed.
  void run();

  /// Makes run() return, whatever is left to do. For any thread.
  void abandon() { abandoned_ = true; }

  /// The error of the disk or the node that ended the run.
  const std::optional<Error>& fatal() const { return fatal_; }
  /// trace::events() of the other ranks.
  const std::vector<std::string>& traces() const { return traces_; }

 private:
  bool over() const;
  void handle(const Message& message);
  void dispatch_report(const Message& message);
  void on_failure(const message::Failed& failed);
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
  std::map<int, Role> ready_for_;                          ///< groups that hold what this role needs
  std::map<int, std::optional<std::size_t>> nearly_idle_;  ///< groups that will ask soon; the clip each was hinted at
  int groups_at_work_;
  bool stopped_ = false;
  std::atomic<bool> abandoned_ = false;
};

}  // namespace wf
