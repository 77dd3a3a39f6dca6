#include "launcher/run/coordinator.hpp"

#include <chrono>
#include <set>

#include "base/log.hpp"
#include "base/match.hpp"
#include "base/trace.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Coordinator::Coordinator(Dispatch& dispatch, const Groups& groups, RankAgent& agent, RunObserver& observer)
    : dispatch_(dispatch), groups_(groups), agent_(agent), observer_(observer) {}

void Coordinator::run() {
  trace::name_thread("dispatch");
  try {
    dispatch_until_over();
  } catch (...) {
    agent_.abort(current_error());
  }
}

void Coordinator::dispatch_until_over() {
  while (!over() && !abandoned_) {
    const std::optional<RankAgent::Report> report = agent_.next_report(100ms);
    if (agent_.stop_requested() && !stopped_) stop();
    if (report) handle(report->message);
    send_orders();
    send_hints();
    observer_.at_work(agent_.activities());
  }
}

bool Coordinator::over() const {
  return std::ssize(have_ended_) == groups_.count() && dispatch_.over() &&
         std::ssize(traces_) == agent_.size() - 1 - lost_ranks_;
}

// ---- Reports

/// An exception thrown here, for example because the disk has no room for results.csv, stops the run as a full disk
/// does when a clip is written. A bug cannot be drained, since the schedule no longer knows what each group is doing.
void Coordinator::handle(const Message& message) {
  try {
    dispatch_report(message);
  } catch (const std::exception&) {
    const Error error = current_error();
    if (error.kind() == Error::internal) throw;
    stop_for(error);
  }
}

void Coordinator::dispatch_report(const Message& message) {
  std::visit(Match{[&](const message::NearlyIdle& m) { nearly_idle_.try_emplace(m.group); },
                   [&](const message::RequestWork& m) {
                     begin(m.group);
                     nearly_idle_.erase(m.group);
                     ready_for_[m.group] = dispatch_.role(m.group);
                     dispatch_.ask(m.group);
                   },
                   [&](const message::StateFetched& m) { dispatch_.fetched(m.group, m.clip); },
                   [&](const message::HandedOver& m) { dispatch_.handed_over(m.group, m.clip, m.seconds); },
                   [&](const message::Done& m) {
                     dispatch_.done(m.group, m.clip, m.seconds);
                     observer_.done(m.clip, m.sidecar);
                   },
                   [&](const message::Failed& m) { on_failure(m); }, [&](const message::Lost& m) { on_loss(m); },
                   [&](const message::Farewell& m) { traces_.push_back(m.trace); },
                   [&](const message::Interrupted& m) { dispatch_.interrupted(m.group, m.clip, m.stage); },
                   [](const auto& other) { spdlog::debug("message {} is not for rank 0", Message(other).index()); }},
             message);
}

/// An error of the disk or the node would hit every other clip as well. So it stops the run and does not count as a
/// failure of this clip, which is left for a later run.
void Coordinator::on_failure(const message::Failed& failed) {
  const Error error(static_cast<Error::Kind>(failed.kind), failed.what);
  if (error.kind() == Error::storage || error.kind() == Error::environment) {
    dispatch_.interrupted(failed.group, failed.clip, Stage::text);
    return stop_for(error);
  }
  observer_.failed(failed.clip, error, dispatch_.failed(failed.group, failed.clip, error.kind()));
}

/// The first request for work says that the group has loaded its models, for which the ranks of a node need each other.
void Coordinator::begin(int group) {
  have_begun_.insert(group);
  if (groups_.count() == agent_.size() && std::ssize(have_begun_) == groups_.count()) agent_.survive_losses();
}

void Coordinator::on_loss(const message::Lost& lost) {
  const int group = groups_.of(lost.rank);
  ++lost_ranks_;
  observer_.lost(agent_.name(lost.rank), lost.why);
  const std::vector<std::size_t> given_up = dispatch_.lost(group);
  have_ended_.insert(group);
  ready_for_.erase(group);
  nearly_idle_.erase(group);
  const Error error(Error::permanent, "it is set aside, for two ranks were lost while they worked on it");
  for (const std::size_t clip : given_up) observer_.failed(clip, error, false);
}

void Coordinator::stop_for(const Error& error) {
  if (!fatal_) fatal_ = error;
  stop();
}

void Coordinator::stop() {
  stopped_ = true;
  dispatch_.stop();
  agent_.stop_all();
}

// ---- Orders

/// The rank that holds the clip's state, or -1 if none does.
int Coordinator::holder_of(const Assignment& assignment) const {
  return assignment.holder < 0 ? -1 : groups_.leader(assignment.holder);
}

/// The order to change to `role`, with a peer for each rank of the group: a rank of its node from which it may copy the
/// expert. A peer is only a hint: by the time it is asked, it may have changed its own role.
message::ChangeRole Coordinator::role_change(int group, Role role) {
  ready_for_.erase(group);
  std::set<int> others;
  for (const auto& [other, its_role] : ready_for_)
    if (its_role == role) others.insert(other);
  return {role, groups_.neighbours(group, others)};
}

void Coordinator::send_orders() {
  for (const Order& order : dispatch_.orders(seconds_now())) {
    const int leader = groups_.leader(order.group);
    std::visit(Match{[&](const Assignment& a) {
                       agent_.send(leader, message::Assign{a.clip, a.first, a.last, holder_of(a)});
                     },
                     [&](const ChangeRole& c) { agent_.send(leader, role_change(order.group, c.role)); },
                     [&](const ReleaseState& r) { agent_.send(leader, message::ReleaseState{r.clip}); },
                     [&](const NoMoreWork&) {
                       agent_.send(leader, message::NoMoreWork{stopped_});
                       have_ended_.insert(order.group);
                       ready_for_.erase(order.group);
                     }},
               order.what);
  }
}

/// Tells each group that will soon request work which stashed clip it would be assigned now, so that it can fetch a
/// copy of the state while it is still computing. No two groups are sent the same clip. If another group is assigned
/// the clip after all, only the transfer was wasted.
void Coordinator::send_hints() {
  std::set<std::size_t> hinted;
  for (const auto& [group, clip] : nearly_idle_)
    if (clip) hinted.insert(*clip);
  for (auto& [group, clip] : nearly_idle_) {
    if (clip) continue;
    const std::optional<Assignment> next = dispatch_.peek(group, hinted);
    if (!next || next->holder < 0 || next->holder == group) continue;  // nothing to fetch yet
    clip = next->clip;
    hinted.insert(next->clip);
    agent_.send(groups_.leader(group), message::PrefetchHint{{next->clip, next->first, holder_of(*next)}});
  }
}

}  // namespace wf
