// launcher/run/coordinator.hpp: rank 0's link between the groups and the scheduler: it takes the groups' reports, lets
// Dispatch decide, and sends the resulting orders.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "jobs/schedule/dispatch.hpp"
#include "launcher/run/failure_limits.hpp"
#include "launcher/run/groups.hpp"
#include "launcher/run/rank_agent.hpp"
#include "launcher/run/run_control.hpp"

namespace wf {

/// Is told what becomes of every clip. Called on the coordinator's thread.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  /// The group of that leader was given these stages of the clip.
  virtual void assigned(std::size_t /*clip*/, int /*leader*/, Stage /*first*/, Stage /*last*/) {}
  /// Its stages are done, and the clip waits for another group.
  virtual void handed_over(std::size_t /*clip*/, const SecondsByStage& /*seconds*/) {}
  /// The attempt ends because the run stops; the clip is left for a later run. code: 75 after a drain, else that of
  /// the error of the disk or the node.
  virtual void interrupted(std::size_t /*clip*/, Stage /*stage*/, int /*code*/) {}
  virtual void done(std::size_t clip, const std::string& sidecar) = 0;  ///< sidecar: JSON
  /// tried_again: whether the clip will get another attempt.
  virtual void failed(std::size_t clip, const Error& error, bool tried_again) = 0;
  /// The clip is set aside: two ranks were lost while they worked on it.
  virtual void quarantined(std::size_t clip, const Error& error) = 0;
  /// Why a clip is not rendered.
  enum class Ended { failed, quarantined, cancelled };
  /// A user does not want the clip any more.
  virtual void cancelled(std::size_t /*clip*/) {}
  /// A user did not want the clip any more, but it was done by then.
  virtual void not_cancelled(std::size_t /*clip*/) {}
  /// A user wants a clip that had ended in this way to be tried again.
  virtual void retried(std::size_t /*clip*/, Ended /*how*/) {}
  /// A user lets no clip begin, or begin again.
  virtual void paused(bool /*is_paused*/) {}
  /// The run stops early.
  virtual void draining(const std::string& /*why*/) {}
  /// The group of that leader loads the expert of another role.
  virtual void role_changed(int /*leader*/, Role /*role*/) {}
  /// A rank is lost, and the run goes on without it. `name`: "rank 3 (node n2)".
  virtual void lost(int rank, const std::string& name, const std::string& why) = 0;
  /// So many groups are left after a loss.
  virtual void groups_left(int /*groups*/) {}
  /// What each rank is doing. Called after every report, and at least about ten times a second.
  virtual void at_work(const std::vector<Activity>& ranks) = 0;
};

/// Runs the schedule of a run from rank 0. A group's leader speaks for it: it sends the reports and gets the orders.
class Coordinator {
 public:
  /// Gives what users have asked for since the last call, which may be made at any time. Throws Error(storage).
  using TakeRequests = std::function<std::vector<UserRequest>(Taken)>;

  /// `dispatch` has already been told which clips earlier runs finished. All arguments must outlive the coordinator.
  Coordinator(Dispatch& dispatch, const Groups& groups, RankAgent& agent, RunObserver& observer,
              TakeRequests requests = {});

  // ---- What earlier starts of the run left; before run()

  /// A user cancelled the clip.
  void cancelled_before(std::size_t clip);
  /// So many ranks were lost while they worked on the clip, which may be too many.
  void lost_before(std::size_t clip, int losses);
  /// Something of the clip may be on the disk.
  void left_before(std::size_t clip) { begun_.insert(clip); }
  /// The rank was lost with two different clips: its group gets no work, unless it is rank 0's.
  void leave_out(int rank);
  /// From now on failures count, and may hold the run: it stops early, as after a signal.
  void hold_at(const FailureLimits& limits) { limits_ = limits; }
  /// As for requests that come while the run is at work.
  void obey(const UserRequest& request);

  /// Once all groups have loaded their models, a rank that is lost or hangs costs the clips that its group works on an
  /// attempt, and the run goes on without that group. Before that, and if the group is rank 0's, it ends the run.
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
  /// Why the run was held; "" if it was not.
  const std::string& held() const { return held_; }
  /// trace::events() of every other rank, as their Farewells brought them.
  const std::vector<std::string>& traces() const { return traces_; }

 private:
  void dispatch_until_over();
  bool over() const;
  template <class Work>
  void survive(const Work& work);
  void dispatch_report(const Message& message);
  void on_failure(const message::Failed& failed);
  void begin(int group);
  std::vector<std::size_t> lose(int group);
  void on_loss(const message::Lost& lost);
  void stop_for(const Error& error);
  void stop(const std::string& why);
  void obey_users();
  void cancel(std::size_t clip);
  void retry(std::size_t clip);
  void retry_failed();
  void set_aside(std::size_t clip);
  void count_failure(std::size_t clip, Error::Kind kind, bool for_good);
  void settle_cancelled();
  int holder_of(const Assignment& assignment) const;
  message::ChangeRole role_change(int group, Role role);
  void send_orders();
  void end(int group);
  void send_hints();

  Dispatch& dispatch_;
  const Groups& groups_;
  RankAgent& agent_;
  RunObserver& observer_;
  TakeRequests requests_;
  std::unordered_set<std::size_t> begun_;  ///< clips of which something may be on the disk
  std::optional<Error> fatal_;
  std::optional<FailureLimits> limits_;
  std::string held_;
  std::vector<std::string> traces_;
  int lost_ranks_ = 0;
  std::set<int> lost_groups_;                              ///< and those that are left out
  std::map<int, Role> ready_for_;                          ///< groups that have loaded the expert of this role
  std::map<int, std::optional<std::size_t>> nearly_idle_;  ///< groups about to ask; their PrefetchHint's clip
  std::map<std::size_t, int> at_work_;                     ///< leaders of the clips that groups work on
  std::set<std::size_t> cancelling_;                       ///< cancelled clips that a group still works on
  std::map<std::size_t, RunObserver::Ended> ended_;        ///< clips that are not rendered
  std::set<int> have_begun_, have_ended_;                  ///< groups that have had their first, their last order
  bool stopped_ = false;
  bool no_more_work_ = false;  ///< groups were told so: none of them asks again, also if clips wait again
  std::atomic<bool> abandoned_ = false;
};

}  // namespace wf
