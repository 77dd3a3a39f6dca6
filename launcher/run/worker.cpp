#include "launcher/run/worker.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/trace.hpp"

namespace wf {
namespace {

/// Whether the leader requests more work after this stage: the last one of the order, or decode if only write would
/// follow, because write runs in the background while the leader computes its next clip.
bool is_last(Stage stage, const message::Assign& order) {
  return stage == order.last || (stage == Stage::decode && order.last == Stage::write);
}

}  // namespace

Worker::Worker(const Groups& groups, RankAgent& agent, GroupWork& work)
    : groups_(groups),
      agent_(agent),
      work_(work),
      number_(groups.of(agent.rank())),
      group_(groups.ranks[static_cast<std::size_t>(number_)]) {
  agent_.peer_weights().serve_with([this](Role role) { return work_.lease(role); });
}

void Worker::run(const std::function<void(const Error&)>& on_error) {
  try {
    leads() ? lead() : follow();
  } catch (const std::exception&) {
    if (on_error) on_error(current_error());
    throw;
  }
}

/// Loads the role's expert, by a copy from this rank's peer if the order names one (-1: it does not).
void Worker::take_role(const message::ChangeRole& change) {
  const trace::Span span("load", change.role == Role::high ? "high-noise expert" : "low-noise expert");
  spdlog::debug("loads the {}-noise expert", change.role == Role::high ? "high" : "low");
  const auto place = std::ranges::find(group_, agent_.rank()) - group_.begin();
  const int other = change.peers.at(static_cast<std::size_t>(place));
  const WeightPeer peer{other, [&] { return agent_.peer_weights().request(other, change.role); }};
  work_.take_role(change.role, other < 0 ? nullptr : &peer);
}

// ---- The leader

void Worker::lead() {
  for (;;) {
    report(message::RequestWork{number_});
    const Message order = agent_.next();
    if (const auto* const assign = std::get_if<message::Assign>(&order)) {
      carry_out(*assign);
    } else if (const auto* const change = std::get_if<message::ChangeRole>(&order)) {
      send_to_group(order);
      take_role(*change);
    } else if (const auto* const end = std::get_if<message::NoMoreWork>(&order)) {
      wait_for_background();
      if (end->keep_stashed) store_stashed();
      return send_to_group(order);
    }
  }
}

/// An exception is reported as the failure of this clip, unless it was thrown in a shared stage that the other ranks
/// have not left: they are then waiting for this one, so it is thrown on and ends the run.
void Worker::carry_out(const message::Assign& order) {
  try {
    pass_stages(order);
  } catch (const std::exception&) {
    const Error error = current_error();
    if (std::exchange(in_shared_stage_, false) && !work_.left_by_group()) throw error;
    report_failure(order.clip, error);
  }
  agent_.set_activity({});
}

void Worker::pass_stages(const message::Assign& order) {
  begin(order);
  for (const Stage stage : all_stages) {
    if (stage < order.first || stage > order.last) continue;
    if (stage == Stage::write) return finish(order.clip);
    if (!advance(order, stage)) return report_end(order.clip, message::Interrupted{number_, order.clip, stage});
  }
  stash(order.clip);
}

void Worker::begin(const message::Assign& order) {
  const Earlier earlier = order.is_new ? Earlier::nothing : Earlier::maybe;
  if (order.holder < 0) return work_.begin(order.clip, nullptr, earlier);
  const std::shared_ptr<const Bytes> state = order.holder == agent_.rank()
                                                 ? agent_.take_stashed(order.clip)
                                                 : std::make_shared<const Bytes>(agent_.fetch(order));
  if (!state) throw Error(Error::transient, "the stashed state of the clip is gone");
  report(message::StateFetched{number_, order.clip});
  work_.begin(order.clip, state.get(), earlier);
}

bool Worker::advance(const message::Assign& order, Stage stage) {
  std::function<void()> nearly_done;
  if (is_last(stage, order)) nearly_done = [this] { report(message::NearlyIdle{number_}); };
  in_shared_stage_ = work_.is_shared(stage);
  if (in_shared_stage_) send_to_group(message::JoinStage{order.clip, stage});
  const bool passed = work_.advance(stage, nearly_done);
  in_shared_stage_ = false;
  return passed;
}

void Worker::finish(std::size_t clip) {
  in_background(finishing_, "finishing", clip, [this, clip, finish = work_.finish()] {
    const FinishedClip finished = finish();
    return message::Done{number_, clip, finished.seconds, finished.sidecar};
  });
}

void Worker::stash(std::size_t clip) {
  const SecondsByStage seconds = work_.seconds();
  in_background(stashing_, "stashing", clip, [this, clip, seconds, stash = work_.stash()] {
    agent_.stash(clip, stash());
    return message::HandedOver{number_, clip, seconds};
  });
}

/// Runs `work` on `thread` and reports its result. First waits until the thread is done with its previous clip: clips
/// in the background take memory, so at most one is being finished and one stashed.
void Worker::in_background(std::jthread& thread, std::string_view name, std::size_t clip,
                           std::function<Message()> work) {
  if (thread.joinable()) thread.join();
  thread = std::jthread([this, name, clip, work = std::move(work)] {
    trace::name_thread(name);
    try {
      report_end(clip, work());
    } catch (const std::exception&) {
      report_failure(clip, current_error());
    }
  });
}

void Worker::wait_for_background() {
  for (std::jthread* const thread : {&finishing_, &stashing_})
    if (thread->joinable()) thread->join();
}

/// Writes the states that are still stashed here to disk. A state that another group has fetched is no longer among
/// them: that group stores it.
void Worker::store_stashed() {
  for (const std::size_t clip : agent_.stashed())
    if (const auto state = agent_.take_stashed(clip)) work_.store(clip, *state);
}

void Worker::send_to_group(const Message& message) {
  for (const int rank : group_)
    if (rank != agent_.rank()) agent_.send(rank, message);
}

void Worker::report_end(std::size_t clip, const Message& message) {
  agent_.ended(clip);
  report(message);
}

void Worker::report_failure(std::size_t clip, const Error& error) {
  report_end(clip, message::Failed{number_, clip, static_cast<int>(error.kind()), error.what()});
}

// ---- The other ranks of the group

void Worker::follow() {
  for (;;) {
    const Message order = agent_.next();
    if (const auto* const join = std::get_if<message::JoinStage>(&order)) {
      work_.begin(join->clip, nullptr, Earlier::maybe);  // the stage itself gets the clip's state from the leader
      work_.advance(join->stage, {});
      agent_.set_activity({});
    } else if (const auto* const change = std::get_if<message::ChangeRole>(&order)) {
      take_role(*change);
    } else if (std::holds_alternative<message::NoMoreWork>(order)) {
      return;
    }
  }
}

}  // namespace wf
