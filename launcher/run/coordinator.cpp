#include "launcher/farm/control.hpp"

#include <chrono>
#include <set>

#include "cluster/log.hpp"
#include "cluster/trace.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

template <class... Cases>
struct Match : Cases... {
  using Cases::operator()...;
};

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Control::Control(Dispatch& dispatch, const Groups& groups, Courier& courier, Witness& witness)
    : dispatch_(dispatch), groups_(groups), courier_(courier), witness_(witness), groups_at_work_(groups.count()) {}

void Control::run() {
  trace::name_thread("dispatch");
  while (!over() && !abandoned_) {
    const std::optional<Courier::Report> report = courier_.next_report(100ms);
    if (courier_.stop_requested() && !stopped_) stop();
    if (report) hear_or_end(report->message);
    send_orders();
    send_hints();
    witness_.at_work(courier_.activities());
  }
}

bool Control::over() const {
  return groups_at_work_ == 0 && dispatch_.over() && std::ssize(traces_) == courier_.size() - 1;
}

/// What goes wrong here, such as a disk that is full for results.csv, ends the run like a disk that is full for clips.
void Control::hear_or_end(const Message& message) {
  try {
    hear(message);
  } catch (const std::exception&) {
    end(current_error());
  }
}

void Control::end(const Error& error) {
  if (!fatal_) fatal_ = error;
  stop();
}

void Control::hear(const Message& message) {
  std::visit(
      Match{[&](const letter::Ending& m) { ending_.try_emplace(m.group); },
            [&](const letter::Ask& m) {
              ending_.erase(m.group);
              ready_for_[m.group] = dispatch_.role(m.group);
              dispatch_.ask(m.group);
            },
            [&](const letter::Pulled& m) { dispatch_.pulled(m.group, m.clip); },
            [&](const letter::HandedOver& m) { dispatch_.handed_over(m.group, m.clip, m.seconds); },
            [&](const letter::Done& m) {
              dispatch_.done(m.group, m.clip, m.seconds);
              witness_.done(m.clip, m.sidecar);
            },
            [&](const letter::Failed& m) { hear_failure(m); },
            [&](const letter::Farewell& m) { traces_.push_back(m.trace); },
            [&](const letter::Interrupted& m) { dispatch_.interrupted(m.group, m.clip, m.stage); },
            [](const auto& other) { spdlog::debug("a letter of kind {} is not for rank 0", Message(other).index()); }},
      message);
}

/// What no other clip would escape stops the run, and is not this clip's failure.
void Control::hear_failure(const letter::Failed& failed) {
  const Error error(static_cast<Error::Kind>(failed.kind), failed.what);
  if (error.kind() == Error::storage || error.kind() == Error::environment) {
    dispatch_.interrupted(failed.group, failed.clip, Stage::text);
    return end(error);
  }
  witness_.failed(failed.clip, error, dispatch_.failed(failed.group, failed.clip, error.kind()));
}

void Control::stop() {
  stopped_ = true;
  dispatch_.stop();
  courier_.stop_all();
}

int Control::holder_of(const Assignment& assignment) const {
  return assignment.holder < 0 ? -1 : groups_.leader(assignment.holder);
}

/// Only a hint: by the time it is asked, a lender may have changed its role, too.
letter::ChangeRole Control::change(int group, Role role) {
  ready_for_.erase(group);
  std::set<int> others;
  for (const auto& [other, its_role] : ready_for_)
    if (its_role == role) others.insert(other);
  return {role, groups_.neighbours(group, others)};
}

void Control::send_orders() {
  for (const Order& order : dispatch_.orders(seconds_now())) {
    const int leader = groups_.leader(order.group);
    std::visit(Match{[&](const Assignment& a) {
                       courier_.send(leader, letter::Assign{a.clip, a.first, a.last, holder_of(a)});
                     },
                     [&](const ChangeRole& c) { courier_.send(leader, change(order.group, c.role)); },
                     [&](const Release& r) { courier_.send(leader, letter::Release{r.clip}); },
                     [&](const NothingMore&) {
                       courier_.send(leader, letter::NothingMore{stopped_});
                       --groups_at_work_;
                       ready_for_.erase(order.group);
                     }},
               order.what);
  }
}

/// A group that will ask soon hears which parked clip it would be given now, so that it can fetch a copy while it still
/// computes. Two groups are not told of the same. If another is given it in the end, some bytes went in vain.
void Control::send_hints() {
  std::set<std::size_t> told;
  for (const auto& [group, clip] : ending_)
    if (clip) told.insert(*clip);
  for (auto& [group, clip] : ending_) {
    if (clip) continue;
    const std::optional<Assignment> next = dispatch_.peek(group, told);
    if (!next || next->holder < 0 || next->holder == group) continue;  // perhaps after the next event
    clip = next->clip;
    told.insert(next->clip);
    courier_.send(groups_.leader(group), letter::Ahead{{next->clip, next->first, holder_of(*next)}});
  }
}

}  // namespace wf
