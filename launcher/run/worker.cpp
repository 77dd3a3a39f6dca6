#include "launcher/farm/worker.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "cluster/error.hpp"
#include "cluster/log.hpp"
#include "cluster/trace.hpp"

namespace wf {
namespace {

/// high and low are the group's, all other stages its leader's.
bool is_shared(Stage stage) { return stage == Stage::high || stage == Stage::low; }

/// After it the leader asks for more: write is done beside the next clip.
bool is_last(Stage stage, const letter::Assign& order) {
  return stage == order.last || (stage == Stage::decode && order.last == Stage::write);
}

}  // namespace

Worker::Worker(const Groups& groups, Courier& courier, GroupWork& work)
    : groups_(groups),
      courier_(courier),
      work_(work),
      number_(groups.of(courier.rank())),
      group_(groups.ranks[static_cast<std::size_t>(number_)]) {
  courier_.lending().lend_by([this](Role role) { return work_.lend(role); });
}

void Worker::run() { leads() ? lead() : follow(); }

void Worker::take_role(const letter::ChangeRole& change) {
  const trace::Span span("load", change.role == Role::high ? "high-noise expert" : "low-noise expert");
  spdlog::debug("takes the {}-noise expert", change.role == Role::high ? "high" : "low");
  const auto place = std::ranges::find(group_, courier_.rank()) - group_.begin();
  const int other = change.lenders.at(static_cast<std::size_t>(place));
  const Lender lender{other, [&] { return courier_.lending().borrow(other, change.role); }};
  work_.take_role(change.role, other < 0 ? nullptr : &lender);
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
      take_role(*change);
    } else if (const auto* const end = std::get_if<letter::NothingMore>(&order)) {
      finish_all();
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
    if (!advance(order, stage)) return report(letter::Interrupted{number_, order.clip, stage});
  }
  park(order.clip);
}

void Worker::begin(const letter::Assign& order) {
  if (order.holder < 0) return work_.begin(order.clip, nullptr);
  const std::shared_ptr<const Bytes> parcel = order.holder == courier_.rank()
                                                  ? courier_.unpark(order.clip)
                                                  : std::make_shared<const Bytes>(courier_.pull(order));
  if (!parcel) throw Error(Error::transient, "what was parked of the clip is gone");
  report(letter::Pulled{number_, order.clip});
  work_.begin(order.clip, parcel.get());
}

bool Worker::advance(const letter::Assign& order, Stage stage) {
  std::function<void()> nearly_done;
  if (is_last(stage, order)) nearly_done = [this] { report(letter::Ending{number_}); };
  together_ = is_shared(stage) && group_.size() > 1;
  if (together_) tell_group(letter::Join{order.clip, stage});
  const bool passed = work_.advance(stage, nearly_done);
  together_ = false;
  return passed;
}

void Worker::finish(std::size_t clip) {
  beside(finishing_, "finishing", clip, [this, clip, finish = work_.finish()] {
    const Finished finished = finish();
    return letter::Done{number_, clip, finished.seconds, finished.sidecar};
  });
}

void Worker::park(std::size_t clip) {
  const SecondsByStage seconds = work_.seconds();
  beside(parking_, "parking", clip, [this, clip, seconds, park = work_.park()] {
    courier_.park(clip, park());
    return letter::HandedOver{number_, clip, seconds};
  });
}

/// While this is done for one clip the next is computed, but not the one after that: a clip that waits takes memory.
void Worker::beside(std::jthread& thread, std::string_view name, std::size_t clip, std::function<Message()> work) {
  if (thread.joinable()) thread.join();
  thread = std::jthread([this, name, clip, work = std::move(work)] {
    trace::name_thread(name);
    try {
      report(work());
    } catch (const std::exception&) {
      report_failure(clip, current_error());
    }
  });
}

void Worker::finish_all() {
  for (std::jthread* const thread : {&finishing_, &parking_})
    if (thread->joinable()) thread->join();
}

/// What another group has just pulled is that group's to store.
void Worker::store_parked() {
  for (const std::size_t clip : courier_.parked())
    if (const auto parcel = courier_.unpark(clip)) work_.store(clip, *parcel);
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
      work_.advance(join->stage, {});
      courier_.set_activity({});
    } else if (const auto* const change = std::get_if<letter::ChangeRole>(&order)) {
      take_role(*change);
    } else if (std::holds_alternative<letter::NothingMore>(order)) {
      return;
    }
  }
}

}  // namespace wf
