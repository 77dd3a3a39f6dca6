// launcher/run/messages.hpp: every message that ranks send each other outside of a group's collectives, as values. Who
// may send which message when: docs/architecture.md, "The story of a run".
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/watched_work.hpp"
#include "cluster/transport.hpp"
#include "jobs/schedule/dispatch.hpp"
#include "launcher/planner/rank_resources.hpp"

namespace wf {

/// What a rank is doing, for the progress display and for the message about a rank that was lost.
struct Activity {
  std::string clip;  ///< name of the clip; empty: the rank waits for work
  Stage stage = Stage::text;
  std::int64_t step = 0, steps = 1;  ///< steps done of this clip's schedule, and all of them; 0 of 1 outside denoising
  bool operator==(const Activity&) const = default;
};
/// "0003-a-red-kite-s42 high 12/40", "waiting".
std::string to_string(const Activity& activity);

/// A clip's state in the host memory of the rank that computed it, stashed there for the group that goes on with it.
struct StashedState {
  std::size_t clip = 0;       ///< index into the run's jobs
  Stage first = Stage::text;  ///< the first stage that is not done yet
  int holder = 0;             ///< the rank that stashed the state
  bool operator==(const StashedState&) const = default;
};

namespace message {

// ---- Every rank to rank 0, and rank 0 to every rank: the agents' own

/// A sign of life, sent once a second, and to rank 0 also after each step.
struct Heartbeat {
  Activity activity;
  std::vector<WorkUnderWay> work;  ///< of the sender's threads
  bool stop = false;  ///< the sender got a stop signal, or was told of one; rank 0 passes it on to all ranks
};
/// The run cannot go on: the receiver ends its process with this exit code.
struct Abort {
  int exit_code = 1;
  std::string why;  ///< empty: the receiver has nothing to add to its log
};
/// Rank 0 to all others: that rank is lost, and the run goes on without it. If it can read this, it ends. As a report
/// to the coordinator: rank 0's own agent has found it lost. From another rank to rank 0, of itself: it cannot go on.
struct Lost {
  int rank = 0;
  std::string why = {};  ///< for the log; follows the rank's name
  int exit_code = 1;     ///< of the run, if it cannot go on without the rank
};
/// The sender has ended its part, so its silence is no failure from now on.
struct Farewell {
  std::string trace;  ///< trace::events() of the sender
};

// ---- Handshake: Hello (others to rank 0), Start or Refused (rank 0 to others), Ready (others), Begin or Refused (rank
// 0)

/// What the sender has and how it was started, or why it cannot take part.
struct Hello {
  RankResources resources;
  std::map<std::string, std::string> settings;  ///< shared_settings() of the sender
  int kind = -1;                                ///< Error::Kind of the problem; -1: none
  std::string problem = {};                     ///< what() of that error
};
/// The run as rank 0 decided it, written and read by launcher/run/run_spec.hpp.
struct Start {
  std::string run;  ///< a RunSpec, packed
};
/// There will be no run; rank 0 itself says why.
struct Refused {};
/// Every rank is ready: the run begins.
struct Begin {};
/// The sender sees the same output folder and checkpoint as rank 0, or says what is wrong.
struct Ready {
  int kind = -1;        ///< Error::Kind of the problem; -1: the sender is ready
  std::string problem;  ///< what() of that error
};

// ---- Leader of a group to rank 0: reports, each an event of jobs/schedule/dispatch.hpp

/// The group will request work soon, for its last step or stage has begun.
struct NearlyIdle {
  int group = 0;
};
/// The group has nothing to compute.
struct RequestWork {
  int group = 0;
};
/// The group has its copy of the clip's stashed state; the holder may forget it.
struct StateFetched {
  int group = 0;
  std::size_t clip = 0;
};
/// The assigned stages are done, and the clip's state is stashed for another group.
struct HandedOver {
  int group = 0;
  std::size_t clip = 0;
  SecondsByStage seconds = {};
};
/// The clip is written and published.
struct Done {
  int group = 0;
  std::size_t clip = 0;
  SecondsByStage seconds = {};
  std::string sidecar;  ///< JSON of the clip's sidecar
};
/// The clip failed; the group goes on with other clips.
struct Failed {
  int group = 0;
  std::size_t clip = 0;
  int kind = 0;  ///< Error::Kind
  std::string what;
};
/// A drain ended the clip in this stage, and its state is on the disk.
struct Interrupted {
  int group = 0;
  std::size_t clip = 0;
  Stage stage = Stage::high;
};

// ---- Rank 0 to the leader of a group: orders. A leader passes ChangeRole and NoMoreWork on to the ranks of its group,
// ---- and sends them JoinStage.

/// Take the clip through the stages first..last.
struct Assign {
  std::size_t clip = 0;
  Stage first = Stage::text, last = Stage::write;
  int holder = -1;      ///< rank that stashed the clip's state; -1: start the clip, or resume it from its stored state
  bool is_new = false;  ///< the clip is begun for the first time, and earlier runs have left nothing of it on the disk
};
/// The receiver will probably be assigned this clip next, so its agent fetches a copy of the state meanwhile. The
/// holder keeps the state until the clip is assigned.
struct PrefetchHint {
  StashedState stashed;
};
/// Load what the role needs, then request work.
struct ChangeRole {
  Role role = Role::resident;
  std::vector<int> peers = {};  ///< for each rank of the group a rank of its node that may hold that expert; -1: none
};
/// The last order. The group ends when it has finished what it writes.
struct NoMoreWork {
  bool keep_stashed = false;  ///< the run was stopped: stashed states are work left, and go to the disk
};
/// A user does not want this clip any more. If the receiver works on it, it stops as in a drain, and reports
/// Interrupted.
struct CancelClip {
  std::size_t clip = 0;
};
/// Take part in a stage that all ranks of the group compute together.
struct JoinStage {
  std::size_t clip = 0;
  Stage stage = Stage::high;
};

// ---- Agent of a leader to the agent of another: a stashed state, in chunks that the receiver requests

/// Send the chunk of the clip's state that begins at this offset.
struct FetchState {
  std::size_t clip = 0;
  std::uint64_t number =
      0;  ///< identifies the fetch: the answer carries it, so late answers to dropped fetches are known
  std::uint64_t offset = 0;  ///< bytes
};
/// Answers FetchState.
struct StateChunk {
  std::uint64_t number = 0;             ///< of the fetch
  std::uint64_t offset = 0, total = 0;  ///< bytes; total 0: nothing is stashed of that clip
  Bytes bytes = {};
};
/// Nobody needs the stashed state any more. Sent by the rank that has fetched it, or by rank 0 for a clip that failed.
struct ReleaseState {
  std::size_t clip = 0;
};

// ---- Rank to rank of one node: an expert in GPU memory, leased for a copy (launcher/run/peer_weights.hpp)

/// Lease me the weights of that role's expert.
struct RequestWeights {
  std::uint64_t number = 0;  ///< identifies the request: the answer carries it
  Role role = Role::high;
};
/// Answers RequestWeights.
struct WeightHandles {
  std::uint64_t number = 0;  ///< of the request
  Bytes handles = {};        ///< handles of the memory (parallel/peer_tensors.hpp); empty: nothing to lease
};
/// Ends the lease: the sender has its copy, or loads the expert from its files.
struct ReturnWeights {};

}  // namespace message

using Message =
    std::variant<message::Heartbeat, message::Abort, message::Lost, message::Farewell, message::Hello, message::Start,
                 message::Refused, message::Begin, message::Ready, message::NearlyIdle, message::RequestWork,
                 message::StateFetched, message::HandedOver, message::Done, message::Failed, message::Interrupted,
                 message::Assign, message::PrefetchHint, message::ChangeRole, message::NoMoreWork, message::JoinStage,
                 message::FetchState, message::StateChunk, message::ReleaseState, message::RequestWeights,
                 message::WeightHandles, message::ReturnWeights, message::CancelClip>;

Bytes to_bytes(const Message& message);
/// Throws Error(internal) for bytes that are no message: ranks of different builds.
Message to_message(const Bytes& bytes);

}  // namespace wf
