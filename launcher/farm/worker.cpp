#include "launcher/farm/worker.hpp"

#include <memory>
#include <utility>

#include "cluster/error.hpp"
#include "cluster/log.hpp"
#include "cluster/trace.hpp"

namespace wf {
namespace {

/// high and low are the group's, all other stages its leader's.
bool is_shared(Stage stage) { return stage == Stage::high || stage == Stage::low; }

}  // namespace

Worker::Worker(const Groups& groups, Courier& courier, GroupWork& work)
    : groups_(groups),
      courier_(courier),
      work_(work),
      number_(groups.of(courier.rank())),
      group_(groups.ranks[static_cast<std::size_t>(number_)]) {}

void Worker::run() { leads() ? lead() : follow(); }

void Worker::take_role(Role role) {
  const trace::Span span("load", role == Role::high ? "high-noise expert" : "low-noise expert");
  spdlog::debug("takes the {}-noise expert", role == Role::high ? "high" : "low");
  work_.take_role(role);
}

// ---- The leader

void Worker::lead() {
  for (;;) {
    report(letter::Ask{number_});
    const Message order = courier_.next();
    if (const auto* const assign = std::get_if<letter::Assign>(&order)) {
      carry_out(*assign);
    } else if (const auto* const change = std::get_if<letter::ChangeRole>(&order)) {
      tell_group(order);
      take_role(change->role);
    } else if (const auto* const end = std::get_if<letter::NothingMore>(&order)) {
      if (finishing_.joinable()) finishing_.join();
      if (end->keep_parked) store_parked();
      return tell_group(order);
    }
  }
}

/// An error is the clip's, unless the others of the group wait in a stage for this rank.
void Worker::carry_out(const letter::Assign& order) {
  try {
    pass_stages(order);
  } catch (const std::exception&) {
    const Error error = current_error();
    if (std::exchange(together_, false)) throw error;
    report_failure(order.clip, error);
  }
  courier_.set_activity({});
}

void Worker::pass_stages(const letter::Assign& order) {
  begin(order);
  for (const Stage stage : all_stages) {
    if (stage < order.first || stage > order.last) continue;
    if (stage == Stage::write) return finish(order.clip);
    if (!advance(order.clip, stage)) return report(letter::Interrupted{number_, order.clip, stage});
  }
  const SecondsByStage seconds = work_.seconds();
  courier_.park(order.clip, work_.park());
  report(letter::HandedOver{number_, order.clip, seconds});
}

void Worker::begin(const letter::Assign& order) {
  if (order.holder < 0) return work_.begin(order.clip, nullptr);
  const std::shared_ptr<const Bytes> parcel =
      order.holder == number_ ? courier_.unpark(order.clip)
                              : std::make_shared<const Bytes>(courier_.pull(groups_.leader(order.holder), order.clip));
  if (!parcel) throw Error(Error::transient, "what was parked of the clip is gone");
  report(letter::Pulled{number_, order.clip});
  work_.begin(order.clip, parcel.get());
}

bool Worker::advance(std::size_t clip, Stage stage) {
  together_ = is_shared(stage) && group_.size() > 1;
  if (together_) tell_group(letter::Join{clip, stage});
  const bool passed = work_.advance(stage);
  together_ = false;
  return passed;
}

/// While one clip's file is completed the next is computed, but not the one after that.
void Worker::finish(std::size_t clip) {
  if (finishing_.joinable()) finishing_.join();
  finishing_ = std::jthread([this, clip, finish = work_.finish()] {
    trace::name_thread("finishing");
    try {
      const Finished finished = finish();
      report(letter::Done{number_, clip, finished.seconds, finished.sidecar});
    } catch (const std::exception&) {
      report_failure(clip, current_error());
    }
  });
}

void Worker::store_parked() {
  for (const std::size_t clip : courier_.parked()) work_.store(clip, *courier_.unpark(clip));
}

void Worker::tell_group(const Message& message) {
  for (const int rank : group_)
    if (rank != courier_.rank()) courier_.send(rank, message);
}

void Worker::report_failure(std::size_t clip, const Error& error) {
  report(letter::Failed{number_, clip, static_cast<int>(error.kind()), error.what()});
}

// ---- The others

void Worker::follow() {
  for (;;) {
    const Message order = courier_.next();
    if (const auto* const join = std::get_if<letter::Join>(&order)) {
      work_.begin(join->clip, nullptr);
      work_.advance(join->stage);
      courier_.set_activity({});
    } else if (const auto* const change = std::get_if<letter::ChangeRole>(&order)) {
      take_role(change->role);
    } else if (std::holds_alternative<letter::NothingMore>(order)) {
      return;
    }
  }
}

}  // namespace wf
