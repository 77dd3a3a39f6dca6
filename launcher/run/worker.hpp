// launcher/farm/worker.hpp: the loop of one rank: what its group is given, it does.
#pragma once

#include <functional>
#include <string_view>
#include <thread>
#include <vector>

#include "launcher/farm/courier.hpp"
#include "launcher/farm/group_work.hpp"
#include "launcher/farm/groups.hpp"

namespace wf {

/// A group's leader asks rank 0 for work and leads the others through the stages that they share. Beside the next clip
/// threads complete the file of one that is finished, or park one that another group goes on with; one of each at a
/// time.
class Worker {
 public:
  Worker(const Groups& groups, Courier& courier, GroupWork& work);
  ~Worker() { courier_.lending().lend_by({}); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Until nothing is left to do. Throws what goes wrong with the group or the machine, not with a clip.
  void run();

 private:
  bool leads() const { return group_.front() == courier_.rank(); }
  void take_role(const letter::ChangeRole& change);
  void lead();
  void follow();
  void carry_out(const letter::Assign& order);
  void pass_stages(const letter::Assign& order);
  void begin(const letter::Assign& order);
  bool advance(const letter::Assign& order, Stage stage);
  void finish(std::size_t clip);
  void park(std::size_t clip);
  void beside(std::jthread& thread, std::string_view name, std::size_t clip, std::function<Message()> work);
  void finish_all();
  void store_parked();
  void tell_group(const Message& message);
  void report(const Message& message) { courier_.send(0, message); }
  void report_failure(std::size_t clip, const Error& error);

  const Groups& groups_;
  Courier& courier_;
  GroupWork& work_;
  int number_;              ///< of the group
  std::vector<int> group_;  ///< its ranks, the leader first
  bool together_ = false;   ///< the group's ranks are in a stage together
  std::jthread finishing_, parking_;
};

}  // namespace wf
