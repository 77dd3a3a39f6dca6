// launcher/run/worker.hpp: the loop of a rank's computing thread: it carries out the orders that its group gets.
#pragma once

#include <functional>
#include <string_view>
#include <thread>
#include <vector>

#include "launcher/run/group_work.hpp"
#include "launcher/run/groups.hpp"
#include "launcher/run/rank_agent.hpp"

namespace wf {

/// The leader of a group requests work from rank 0, computes it, and tells the other ranks which shared stages to join.
/// While it computes the next clip, one thread completes the files of a finished clip and another one stashes the state
/// of a clip that another group goes on with.
class Worker {
 public:
  /// groups, agent and work outlive the worker. From now on the agent serves the weights of `work` to other ranks.
  Worker(const Groups& groups, RankAgent& agent, GroupWork& work);
  ~Worker() { agent_.peer_weights().serve_with({}); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Returns when no work is left. Throws what goes wrong with the group or the node; a clip's error is reported.
  /// on_error: is told of such an exception first, before anything is unwound, which may wait for other ranks.
  void run(const std::function<void(const Error&)>& on_error = {});

 private:
  bool leads() const { return group_.front() == agent_.rank(); }
  void take_role(const message::ChangeRole& change);
  void lead();
  void follow();
  void carry_out(const message::Assign& order);
  void pass_stages(const message::Assign& order);
  void begin(const message::Assign& order);
  bool advance(const message::Assign& order, Stage stage);
  void finish(std::size_t clip);
  void stash(std::size_t clip);
  void in_background(std::jthread& thread, std::string_view name, std::size_t clip, std::function<Message()> work);
  void wait_for_background();
  void store_stashed();
  void send_to_group(const Message& message);
  void report(const Message& message) { agent_.send(0, message); }
  void report_end(std::size_t clip, const Message& message);
  void report_failure(std::size_t clip, const Error& error);

  const Groups& groups_;
  RankAgent& agent_;
  GroupWork& work_;
  int number_;                    ///< of this rank's group
  std::vector<int> group_;        ///< the ranks of that group, the leader first
  bool in_shared_stage_ = false;  ///< the other ranks of the group wait for this one
  std::jthread finishing_, stashing_;
};

}  // namespace wf
