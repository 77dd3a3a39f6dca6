// launcher/farm/letters.hpp: everything that ranks write to each other outside of a group's collectives, as values.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "launcher/dispatch.hpp"
#include "launcher/rank_facts.hpp"
#include "parallel/mail.hpp"

namespace wf {

/// What a rank is at. Tells the user where the run stands, and what a rank was at when it fell silent.
struct Activity {
  std::string clip;  ///< its name; empty: none
  Stage stage = Stage::text;
  std::int64_t step = 0, steps = 1;
  bool operator==(const Activity&) const = default;
};
/// "0003-a-red-kite-s42 high 12/40", "waiting".
std::string words(const Activity& activity);

/// What the stages before `first` made of a clip, as a rank keeps it.
struct Parked {
  std::size_t clip = 0;
  Stage first = Stage::text;
  int holder = 0;  ///< the rank
  bool operator==(const Parked&) const = default;
};

namespace letter {

// ---- Of all ranks to rank 0, and of rank 0 to all

/// Every second, and to rank 0 at each step, too: the sender lives.
struct Beat {
  Activity activity;
  bool stop = false;  ///< the sender was asked to stop (a signal); rank 0 tells it to all
};
/// The run cannot go on: the receiver ends with this exit code.
struct Abort {
  int exit_code = 1;
  std::string why;  ///< empty: said already
};
/// The sender's work is done; it is not waited for any more.
struct Farewell {
  std::string trace;  ///< its spans (cluster/trace)
};

// ---- At the start

/// What the sender has (launcher/plan.hpp).
struct Hello {
  RankFacts facts;
};
/// From rank 0: what the run is (launcher/farm/run_start.hpp writes and reads the text).
struct Start {
  std::string run;
};
/// From rank 0: there will be no run; it says why itself.
struct Refused {};
/// From rank 0: all are ready.
struct Begin {};
/// A rank has what it needs, or says why not.
struct Ready {
  int kind = -1;  ///< Error::Kind; below 0: ready
  std::string problem;
};

// ---- A group's leader to rank 0: Dispatch's reports

/// The group will ask in a moment: what it does last has begun.
struct Ending {
  int group = 0;
};
struct Ask {
  int group = 0;
};
struct Pulled {
  int group = 0;
  std::size_t clip = 0;
};
struct HandedOver {
  int group = 0;
  std::size_t clip = 0;
  SecondsByStage seconds = {};
};
struct Done {
  int group = 0;
  std::size_t clip = 0;
  SecondsByStage seconds = {};
  std::string sidecar;  ///< JSON
};
struct Failed {
  int group = 0;
  std::size_t clip = 0;
  int kind = 0;  ///< Error::Kind
  std::string what;
};
struct Interrupted {
  int group = 0;
  std::size_t clip = 0;
  Stage stage = Stage::high;
};

// ---- Rank 0 to a leader: Dispatch's orders. A leader tells its group's other ranks Join, ChangeRole and NothingMore.

struct Assign {
  std::size_t clip = 0;
  Stage first = Stage::text, last = Stage::write;
  int holder = -1;  ///< the rank that has what the clip has made so far; -1: nobody, as in Assignment
};
/// The receiver will probably be given that clip next. It may fetch a copy; the holder keeps it for who is given it.
struct Ahead {
  Parked parked;
};
struct ChangeRole {
  Role role = Role::resident;
  std::vector<int> lenders = {};  ///< for each rank of the group one of its machine that may have the expert; -1: none
};
struct NothingMore {
  bool keep_parked = false;  ///< store what is parked: it is work left
};
struct Join {
  std::size_t clip = 0;
  Stage stage = Stage::high;
};

// ---- Leader to leader: a parked clip, a piece at a time, as the receiver pulls them

struct Pull {
  std::size_t clip = 0;
  std::uint64_t number = 0, offset = 0;  ///< number: the receiver's own, for its answers
};
struct Piece {
  std::uint64_t number = 0;
  std::uint64_t offset = 0, total = 0;  ///< of the whole; total 0: it is not here
  Bytes bytes = {};
};
/// The receiver has it all (or, from rank 0: nobody will want it): it may be forgotten.
struct Release {
  std::size_t clip = 0;
};

// ---- Rank to rank of one machine: an expert in the memory of a GPU, lent for a copy (launcher/farm/lending.hpp)

struct WantWeights {
  std::uint64_t number = 0;  ///< the sender's own, for the answer
  Role role = Role::high;    ///< whose expert
};
struct Weights {
  std::uint64_t number = 0;
  Bytes handles = {};  ///< of the memory (parallel/peer_tensors.hpp); empty: the sender has nothing to lend
};
/// The sender has its copy, or does without one.
struct WeightsTaken {};

}  // namespace letter

using Message =
    std::variant<letter::Beat, letter::Abort, letter::Farewell, letter::Hello, letter::Start, letter::Refused,
                 letter::Begin, letter::Ready, letter::Ending, letter::Ask, letter::Pulled, letter::HandedOver,
                 letter::Done, letter::Failed, letter::Interrupted, letter::Assign, letter::Ahead, letter::ChangeRole,
                 letter::NothingMore, letter::Join, letter::Pull, letter::Piece, letter::Release, letter::WantWeights,
                 letter::Weights, letter::WeightsTaken>;

Bytes to_bytes(const Message& message);
/// Throws internal when they are no message's: ranks of different builds.
Message to_message(const Bytes& bytes);

}  // namespace wf
