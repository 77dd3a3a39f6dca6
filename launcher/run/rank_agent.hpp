// launcher/run/rank_agent.hpp: the agent of a rank: a thread that sends and receives the rank's messages while other
// threads compute, serves stashed states to other ranks, and notices ranks that are lost.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "cluster/failure_detector.hpp"
#include "launcher/run/inbox.hpp"
#include "launcher/run/messages.hpp"
#include "launcher/run/peer_weights.hpp"
#include "launcher/run/stall_detector.hpp"
#include "launcher/run/state_fetch.hpp"

namespace wf {

/// Ends this process at once, without waiting for other ranks. Whoever calls it has logged the reason.
using EndProcess = std::function<void(int exit_code)>;

struct RankAgentOptions {
  std::vector<std::string> hosts;                                 ///< name of each rank's node, as in World::hosts()
  std::vector<std::string> processes = {};                        ///< of each rank, as in World::processes()
  std::chrono::milliseconds heartbeat = std::chrono::seconds(1);  ///< between two heartbeats
  int lost_code = 1;          ///< exit code of a run that ends because a rank is lost
  double timeout = 8;         ///< seconds without a message after which a rank counts as lost
  double stall_timeout = 60;  ///< seconds without progress after which a rank that still answers counts as hung
  EndProcess end_process;
  EndProcess leave_process = {};                                 ///< ends this process alone, while the others go on
  std::size_t chunk = std::size_t{16} << 20;                     ///< bytes of a stashed state in one message
  std::chrono::milliseconds patience = std::chrono::seconds(5);  ///< with a rank that is asked for an expert's weights
  std::chrono::milliseconds fetch_deadline = std::chrono::minutes(10);  ///< for a state that a clip has to wait for
};

/// Each rank sends heartbeats to rank 0, and rank 0 to all ranks. A rank is lost, for rank 0, when its process is seen
/// to have ended (on rank 0's node), when nothing has come from it for `timeout`, or when it answers while what it
/// works on does not move. It is named with what it was doing, and ends the run unless others can do its work. A rank 0
/// that is lost ends the run for the others.
class RankAgent {
 public:
  struct Report {
    int from;  ///< the rank that sent it
    Message message;
  };

  /// Starts the thread. From now on the agent alone receives from `transport`, which outlives it; any thread may send.
  RankAgent(Transport& transport, RankAgentOptions options);
  /// Ends the thread, and waits half a second for what was sent to leave.
  ~RankAgent();
  RankAgent(const RankAgent&) = delete;
  RankAgent& operator=(const RankAgent&) = delete;

  int rank() const { return transport_.rank(); }
  int size() const { return transport_.size(); }
  std::string node(int rank) const;  ///< the name of the rank's node; empty: not known
  std::string name(int rank) const;  ///< "rank 3 (node n2)"

  // For any thread.
  void send(int to, const Message& message) { transport_.send(to, to_bytes(message)); }
  /// To every other rank. They share one copy of the message.
  void send_to_others(const Message& message);
  /// True once a stop signal came to this rank or to another one: finish the step and keep what is computed.
  bool stop_requested() const;
  /// On rank 0: asks all ranks to stop, with the next heartbeat.
  void stop_all() { stop_requested_ = true; }
  /// The clips that this rank was told to stop: until it has ended its part of a clip, or is given it anew.
  std::set<std::size_t> cancelled_clips() const;
  /// This rank has ended its part of the clip.
  void ended(std::size_t clip);
  void set_activity(const Activity& activity);
  /// On rank 0: how long each piece of work may take without moving, once that can be predicted. Called on the agent's
  /// thread.
  void set_patience(Patience patience);
  /// On rank 0: is told, on any thread, of the loss of a rank that ends the run, before it ends.
  void tell_of_fatal_losses(std::function<void(int rank, const std::string& why)> tell);
  /// On rank 0, which passes the ranks of each group: from now on the loss of a rank does not end the run, unless its
  /// group is rank 0's own. All ranks of its group are lost with it, since they wait for it: each is told to end
  /// itself, the others are told of it, and next_report() gives a Lost.
  void survive_losses(std::vector<std::vector<int>> groups);
  /// Whether any rank is lost, as far as this one knows: MPI must not be finalized then.
  bool has_lost_ranks() const;
  /// Waits half a second for what was sent to leave.
  void flush();
  /// On another rank, which cannot go on: lets rank 0 decide whether the others can. Ends this process, or all.
  [[noreturn]] void give_up(const Error& error);
  /// Logs the reason, sends Abort to all ranks, and ends this process.
  void abort(int exit_code, const std::string& why);
  /// The same, with the error's text and the exit code of its kind.
  void abort(const Error& error) { abort(wf::exit_code(error.kind()), error.what()); }

  // For the computing thread.
  /// The next order or answer of the handshake (Start, Refused, Begin, Assign, JoinStage, ChangeRole, NoMoreWork);
  /// waits for it.
  Message next();
  /// Keeps a clip's state in host memory for the rank that fetches it.
  void stash(std::size_t clip, Bytes state);
  /// Removes the state that was stashed here, and returns it; null: there is none.
  std::shared_ptr<const Bytes> take_stashed(std::size_t clip);
  std::vector<std::size_t> stashed() const;  ///< the clips whose state is stashed here
  /// The state that an assigned clip starts from, from the rank that holds it, which forgets it. The agent has been
  /// fetching it since the order came, or since a hint. Throws Error(transient) when it is not there.
  Bytes fetch(const message::Assign& order);
  PeerWeights& peer_weights() { return peer_weights_; }
  /// Tells rank 0 that this rank has ended its part; neither counts the other as lost from now on.
  void say_farewell(std::string trace);

  // For the coordinator, on rank 0.
  /// The next report of any rank; empty when none came within `timeout`.
  std::optional<Report> next_report(std::chrono::milliseconds timeout) { return reports_.take(timeout); }
  std::vector<Activity> activities() const;  ///< of each rank, as in its last heartbeat

 private:
  using Clock = std::chrono::steady_clock;
  // On the agent's thread:
  void run(const std::stop_token& stop);
  void handle(const Packet& packet);
  bool handle_here(int from, Message& message);
  void on_heartbeat(int from, const message::Heartbeat& heartbeat);
  void on_abort(const message::Abort& abort);
  void on_lost(const message::Lost& message);
  void on_cancel(const message::CancelClip& cancel);
  void prepare_for(const message::Assign& order);
  void send_chunk(int to, const message::FetchState& request);
  void send_heartbeat_if_due();
  void look_for_lost_ranks();
  void look_for_ended_ranks();
  void look_for_hung_ranks();
  bool is_watched(int rank) const;
  std::vector<int> lost_with(int rank) const;
  void lose(int rank, const std::string& why, int exit_code);
  void take_out(int rank, const std::string& why);
  void tell_of_fatal_loss(int rank, const std::string& why);

  Transport& transport_;
  RankAgentOptions options_;
  Inbox<Message> orders_;  ///< for the computing thread
  Inbox<Report> reports_;  ///< for the coordinator
  StateFetch fetch_;
  PeerWeights peer_weights_;
  mutable std::mutex mutex_;                                     ///< guards the next eight members
  std::map<std::size_t, std::shared_ptr<const Bytes>> stashed_;  ///< by clip
  std::vector<Activity> activities_;                             ///< by rank
  FailureDetector detector_;
  Patience stall_patience_;
  std::set<int> lost_;               ///< ranks
  std::set<std::size_t> cancelled_;  ///< clips
  std::function<void(int, const std::string&)> tell_of_fatal_loss_;
  std::vector<std::vector<int>> groups_;  ///< the ranks of each group; empty: no loss is survived
  std::atomic<bool> stop_requested_ = false;
  StallDetector stalls_;               ///< on rank 0, for the agent's thread alone
  Clock::time_point looked_at_ = {};   ///< when stalls_ was asked last, and ended ranks were looked for
  std::set<int> ended_;                ///< ranks whose process had ended then
  message::Heartbeat last_heartbeat_;  ///< as it was sent
  Clock::time_point sent_at_ = {};     ///< when the last heartbeat left
  std::jthread thread_;                ///< last, for it uses all members above
};

}  // namespace wf
