#include "launcher/run/coordinator.hpp"

#include <chrono>
#include <set>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/match.hpp"
#include "base/trace.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

}  // namespace

Coordinator::Coordinator(Dispatch& dispatch, const Groups& groups, RankAgent& agent, RunObserver& observer,
                         TakeRequests requests)
    : dispatch_(dispatch), groups_(groups), agent_(agent), observer_(observer), requests_(std::move(requests)) {}

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
    if (agent_.stop_requested() && !stopped_) stop("a signal asks for it");
    if (report) survive([&] { dispatch_report(report->message); });
    survive([&] { obey_users(); });
    send_orders();
    send_hints();
    survive([&] { observer_.at_work(agent_.activities()); });
  }
}

bool Coordinator::over() const {
  return std::ssize(have_ended_) == groups_.count() && dispatch_.over() &&
         std::ssize(traces_) == agent_.size() - 1 - lost_ranks_;
}

// ---- What earlier starts left

void Coordinator::cancelled_before(std::size_t clip) {
  cancelling_.insert(clip);
  settle_cancelled();
}

void Coordinator::lost_before(std::size_t clip, int losses) {
  if (!dispatch_.lost_before(clip, losses)) set_aside(clip);
}

void Coordinator::leave_out(int rank) {
  const int group = groups_.of(rank);
  if (group == groups_.of(0) || lost_groups_.contains(group)) return;
  spdlog::warn("{} gets no work: it was lost with two different clips", agent_.name(rank));
  lose(group);
}

/// Returns the clips that are given up with the group.
std::vector<std::size_t> Coordinator::lose(int group) {
  lost_groups_.insert(group);
  observer_.groups_left(groups_.count() - static_cast<int>(lost_groups_.size()));
  return dispatch_.lost(group);
}

// ---- Reports

/// An exception thrown here, for example because the disk has no room for results.csv, stops the run as a full disk
/// does when a clip is written. A bug cannot be drained, since the schedule no longer knows what each group is doing.
template <class Work>
void Coordinator::survive(const Work& work) {
  try {
    work();
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
                     if (lost_groups_.contains(m.group)) return end(m.group);  // left out
                     ready_for_[m.group] = dispatch_.role(m.group);
                     dispatch_.ask(m.group);
                   },
                   [&](const message::StateFetched& m) { dispatch_.fetched(m.group, m.clip); },
                   [&](const message::HandedOver& m) {
                     at_work_.erase(m.clip);
                     dispatch_.handed_over(m.group, m.clip, m.seconds);
                     observer_.handed_over(m.clip, m.seconds);
                   },
                   [&](const message::Done& m) {
                     at_work_.erase(m.clip);
                     dispatch_.done(m.group, m.clip, m.seconds);
                     if (limits_) limits_->done();
                     observer_.done(m.clip, m.sidecar);
                   },
                   [&](const message::Failed& m) { on_failure(m); }, [&](const message::Lost& m) { on_loss(m); },
                   [&](const message::Farewell& m) { traces_.push_back(m.trace); },
                   [&](const message::Interrupted& m) {
                     at_work_.erase(m.clip);
                     dispatch_.interrupted(m.group, m.clip, m.stage);
                     observer_.interrupted(m.clip, m.stage, 75);
                   },
                   [](const auto& other) { spdlog::debug("message {} is not for rank 0", Message(other).index()); }},
             message);
}

/// An error of the disk or the node would hit every other clip as well. So it stops the run and does not count as a
/// failure of this clip, which is left for a later run.
void Coordinator::on_failure(const message::Failed& failed) {
  const Error error(static_cast<Error::Kind>(failed.kind), failed.what);
  at_work_.erase(failed.clip);
  if (error.kind() == Error::storage || error.kind() == Error::environment) {
    dispatch_.interrupted(failed.group, failed.clip, Stage::text);
    observer_.interrupted(failed.clip, Stage::text, exit_code(error.kind()));
    return stop_for(error);
  }
  const bool tried_again = dispatch_.failed(failed.group, failed.clip, error.kind());
  if (!tried_again) ended_[failed.clip] = RunObserver::Ended::failed;
  observer_.failed(failed.clip, error, tried_again);
  count_failure(failed.clip, error.kind(), !tried_again);
}

void Coordinator::count_failure(std::size_t clip, Error::Kind kind, bool for_good) {
  if (!limits_ || stopped_) return;
  limits_->failed(clip, kind, for_good, steady_time());
  if (limits_->reason().empty()) return;
  held_ = limits_->reason();
  spdlog::error("{}: the run is held. What is under way is stored", held_);
  stop(held_);
}

/// The first request for work says that the group has loaded its models, for which the ranks of a node need each other.
void Coordinator::begin(int group) {
  have_begun_.insert(group);
  if (std::ssize(have_begun_) == groups_.count()) agent_.survive_losses(groups_.ranks);
}

void Coordinator::on_loss(const message::Lost& lost) {
  const int group = groups_.of(lost.rank);
  ++lost_ranks_;
  observer_.lost(lost.rank, agent_.name(lost.rank), lost.why);
  const std::vector<std::size_t> given_up = lose(group);
  have_ended_.insert(group);
  ready_for_.erase(group);
  nearly_idle_.erase(group);
  std::erase_if(at_work_, [&](const auto& work) { return work.second == groups_.leader(group); });
  for (const std::size_t clip : given_up) set_aside(clip);
}

void Coordinator::set_aside(std::size_t clip) {
  ended_[clip] = RunObserver::Ended::quarantined;
  observer_.quarantined(clip, Error(Error::permanent, "it is set aside, for ranks were lost while they worked on it"));
  count_failure(clip, Error::permanent, true);
}

void Coordinator::stop_for(const Error& error) {
  if (!fatal_) fatal_ = error;
  stop(error.what());
}

void Coordinator::stop(const std::string& why) {
  if (!stopped_) observer_.draining(why);
  stopped_ = true;
  dispatch_.stop();
  agent_.stop_all();
}

// ---- What users ask for

void Coordinator::obey_users() {
  if (requests_ && !over())
    for (const UserRequest& request : requests_(no_more_work_ ? Taken::all_but_retries : Taken::all)) obey(request);
  settle_cancelled();
}

void Coordinator::obey(const UserRequest& request) {
  switch (request.action) {
    case ControlRequest::drain:
      return stopped_ ? void() : stop(request.why);
    case ControlRequest::pause:
      return dispatch_.pause(), observer_.paused(true);
    case ControlRequest::resume:
      return dispatch_.resume(), observer_.paused(false);
    case ControlRequest::cancel:
      return request.clip ? cancel(*request.clip) : void();
    case ControlRequest::retry:
      return request.clip ? retry(*request.clip) : retry_failed();
  }
}

/// A group that works on the clip stops as in a drain, but only for this clip.
void Coordinator::cancel(std::size_t clip) {
  cancelling_.insert(clip);
  if (const auto leader = at_work_.find(clip); leader != at_work_.end())
    agent_.send(leader->second, message::CancelClip{clip});
}

/// A clip can be given up when no group works on it.
void Coordinator::settle_cancelled() {
  for (auto clip = cancelling_.begin(); clip != cancelling_.end();) {
    if (at_work_.contains(*clip)) {
      ++clip;
      continue;
    }
    if (dispatch_.give_up(*clip)) {
      ended_[*clip] = RunObserver::Ended::cancelled;
      observer_.cancelled(*clip);
    } else if (!ended_.contains(*clip)) {
      observer_.not_cancelled(*clip);
    }
    clip = cancelling_.erase(clip);
  }
}

void Coordinator::retry(std::size_t clip) {
  cancelling_.erase(clip);
  const auto ended = ended_.find(clip);
  if (ended == ended_.end() || !dispatch_.retry(clip)) return;
  observer_.retried(clip, ended->second);
  if (limits_) limits_->retried(clip);
  ended_.erase(ended);
}

/// What was cancelled is not among it: that takes its name.
void Coordinator::retry_failed() {
  for (const auto& [clip, how] : std::map(ended_))
    if (how != RunObserver::Ended::cancelled) retry(clip);
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
  for (const Order& order : dispatch_.orders(steady_time())) {
    const int leader = groups_.leader(order.group);
    std::visit(Match{[&](const Assignment& a) {
                       const bool is_new = begun_.insert(a.clip).second;
                       agent_.send(leader, message::Assign{a.clip, a.first, a.last, holder_of(a), is_new});
                       at_work_[a.clip] = leader;
                       observer_.assigned(a.clip, leader, a.first, a.last);
                     },
                     [&](const ChangeRole& c) {
                       agent_.send(leader, role_change(order.group, c.role));
                       observer_.role_changed(leader, c.role);
                     },
                     [&](const ReleaseState& r) { agent_.send(leader, message::ReleaseState{r.clip}); },
                     [&](const NoMoreWork&) { no_more_work_ = true, end(order.group); }},
               order.what);
  }
}

void Coordinator::end(int group) {
  agent_.send(groups_.leader(group), message::NoMoreWork{stopped_});
  have_ended_.insert(group);
  ready_for_.erase(group);
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
