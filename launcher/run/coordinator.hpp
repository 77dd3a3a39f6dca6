// launcher/farm/control.hpp: rank 0's other half: hears all groups, lets Dispatch decide, sends its orders.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "launcher/dispatch.hpp"
#include "launcher/farm/courier.hpp"
#include "launcher/farm/groups.hpp"

namespace wf {

/// Who is told what becomes of the clips.
class Witness {
 public:
  virtual ~Witness() = default;
  virtual void done(std::size_t clip, const std::string& sidecar) = 0;
  virtual void failed(std::size_t clip, const Error& error, bool tried_again) = 0;
  virtual void at_work(const std::vector<Activity>& ranks) = 0;  ///< ten times a second
};

class Control {
 public:
  /// `dispatch` knows what earlier runs have finished.
  Control(Dispatch& dispatch, const Groups& groups, Courier& courier, Witness& witness);

  /// Until every group has its last order, and the other ranks have said farewell. After a stop signal, or an error of
  /// the disk or the machine that no clip would escape, groups end their step and keep what is computed.
  void run();

  /// For another thread: run() returns, whatever is left.
  void abandon() { abandoned_ = true; }

  /// The error of the disk or the machine that ended the run.
  const std::optional<Error>& fatal() const { return fatal_; }
  /// What the other ranks have recorded of the run (cluster/trace).
  const std::vector<std::string>& traces() const { return traces_; }

 private:
  bool over() const;
  void hear_or_end(const Message& message);
  void hear(const Message& message);
  void end(const Error& error);
  void hear_failure(const letter::Failed& failed);
  int holder_of(const Assignment& assignment) const;  ///< its rank
  letter::ChangeRole change(int group, Role role);
  void send_orders();
  void send_hints();
  void stop();

  Dispatch& dispatch_;
  const Groups& groups_;
  Courier& courier_;
  Witness& witness_;
  std::optional<Error> fatal_;
  std::vector<std::string> traces_;
  std::map<int, Role> ready_for_;                     ///< groups that have what this role needs
  std::map<int, std::optional<std::size_t>> ending_;  ///< groups that will ask soon; the clip they were told of
  int groups_at_work_;
  bool stopped_ = false;
  std::atomic<bool> abandoned_ = false;
};

}  // namespace wf
