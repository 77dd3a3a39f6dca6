#include "launcher/dispatch.hpp"

#include <algorithm>
#include <cassert>

namespace wf {
namespace {

Role other(Role role) { return role == Role::high ? Role::low : Role::high; }

std::function<double(const Job&)> whole_clip(const Predicted& predicted) {
  return [&predicted](const Job& job) {
    double seconds = 0;
    for (const Stage stage : all_stages) seconds += predicted(job, stage);
    return seconds;
  };
}

bool are_pools(const std::vector<Role>& groups) {
  const auto residents = std::count(groups.begin(), groups.end(), Role::resident);
  assert(residents == 0 || residents == std::ssize(groups));
  return residents == 0;
}

}  // namespace

Dispatch::Dispatch(const std::vector<Job>& jobs, const std::vector<Role>& groups, const Predicted& predicted,
                   const DispatchOptions& options)
    : options_(options),
      queue_(jobs, options.retries, whole_clip(predicted)),
      lanes_(are_pools(groups), options.light),
      clips_(jobs.size()),
      groups_(groups.size()) {
  for (std::size_t i = 0; i < groups.size(); ++i) {
    groups_[i].role = groups[i];
    ++members_[index(groups[i])];
  }
  const std::vector<std::size_t> first_of_shape = shape_groups(jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    clips_[i].shape = first_of_shape[i] == i ? add_shape(jobs[i], predicted) : clips_[first_of_shape[i]].shape;
    for (const Stage stage : all_stages) forecast_.add_left(clips_[i].shape, stage, 1);
    queue_.wait_in(lane_of(clips_[i]), i);
  }
}

std::size_t Dispatch::add_shape(const Job& job, const Predicted& predicted) {
  SecondsByStage seconds;
  for (const Stage stage : all_stages) seconds[index(stage)] = predicted(job, stage);
  routes_.push_back(lanes_.route(seconds[index(Stage::high)] > 0, seconds[index(Stage::low)] > 0));
  return forecast_.add_shape(seconds, lanes_.roles(routes_.back()));
}

// ---- What groups may be given

/// Lanes whose clips would need a slot where there is none.
Queue::Lanes Dispatch::full(const Counts& slots, int most) const {
  Queue::Lanes lanes = 0;
  for (std::size_t stage = 0; stage < slots.size(); ++stage)
    if (slots[stage] >= most) lanes |= lanes_.handing_over(all_stages[stage]);
  return lanes;
}

Dispatch::Kind Dispatch::kind(const Group& group) const {
  return {group.role, lanes_.of(group.role) & ~full(group.slots, options_.parked_per_group)};
}

Queue::Lanes Dispatch::open(const Kind& kind) const { return kind.second & ~full(slots_, options_.parked_in_total); }

void Dispatch::set_asking(int number, bool asks) {
  Group& member = group(number);
  if (member.asks) asking_[kind(member)].erase({member.since, number});
  if (asks) asking_[kind(member)].insert({member.since, number});
  member.asks = asks;
}

void Dispatch::set_slot(Slot& slot, int number, std::size_t stage) {
  assert(slot.group < 0);
  slot = {number, stage};
  ++slots_[stage];
  ++group(number).slots[stage];
}

void Dispatch::free_slot(Slot& slot) {
  if (slot.group < 0) return;
  Group& member = group(slot.group);
  const bool asks = member.asks;
  if (asks) set_asking(slot.group, false);  // its kind is about to change
  --slots_[slot.stage];
  --member.slots[slot.stage];
  if (asks) set_asking(slot.group, true);
  slot = {};
}

void Dispatch::forget_parked(std::size_t clip) {
  Slot& slot = clips_[clip].parked;
  if (slot.group >= 0) group(slot.group).parked.erase(clip);
  free_slot(slot);
}

// ---- What becomes of a clip

/// Legs from this one on are work left.
void Dispatch::set_begun(std::size_t clip, std::size_t leg) {
  Clip& at = clips_[clip];
  const auto count = [&](std::size_t i, int clips) {
    const Leg& stages = lanes_.leg(routes_[at.shape][i]);
    for (std::size_t stage = index(stages.first); stage <= index(stages.last); ++stage)
      forecast_.add_left(at.shape, all_stages[stage], clips);
  };
  for (; at.begun < leg; ++at.begun) count(at.begun, -1);
  for (; at.begun > leg; --at.begun) count(at.begun - 1, 1);
}

void Dispatch::wait_again(std::size_t clip, std::size_t leg) {
  clips_[clip].leg = leg;
  set_begun(clip, leg);
  queue_.wait_in(lane_of(clips_[clip]), clip);
}

void Dispatch::finished_before(std::size_t clip) {
  set_begun(clip, routes_[clips_[clip].shape].size());
  queue_.done(clip);
}

void Dispatch::stored_before(std::size_t clip, Stage stage) {
  clips_[clip].durable = lanes_.leg_with(routes_[clips_[clip].shape], stage);
  wait_again(clip, clips_[clip].durable);
}

/// Takes the clip from the group that reports it.
Dispatch::Clip& Dispatch::report(int number, std::size_t clip) {
  Clip& at = clips_.at(clip);
  assert(at.group == number && group(number).alive);
  group(number).running.erase(clip);
  at.group = -1;
  return at;
}

void Dispatch::measure(const Clip& clip, const SecondsByStage& seconds) {
  for (const Stage stage : all_stages)
    if (seconds[index(stage)] > 0) forecast_.measured(clip.shape, stage, seconds[index(stage)]);
}

void Dispatch::ask(int number) {
  assert(group(number).alive);
  set_asking(number, true);
}

void Dispatch::pulled([[maybe_unused]] int number, std::size_t clip) {
  Clip& at = clips_.at(clip);
  assert(at.group == number);
  forget_parked(clip);
  at.bereft = false;
}

void Dispatch::handed_over(int number, std::size_t clip, const SecondsByStage& seconds) {
  Clip& at = report(number, clip);
  assert(at.parked.group < 0 && at.promised.group == number);
  measure(at, seconds);
  at.parked = std::exchange(at.promised, {});
  group(number).parked.insert(clip);
  wait_again(clip, at.leg + 1);
}

void Dispatch::done(int number, std::size_t clip, const SecondsByStage& seconds) {
  measure(report(number, clip), seconds);
  queue_.done(clip);
}

/// A clip that nobody works on any more. While its state is still parked it goes on from there.
bool Dispatch::fail(std::size_t clip, Error::Kind kind) {
  Clip& at = clips_[clip];
  free_slot(at.promised);
  if (at.parked.group < 0) at.leg = at.durable;
  if (std::exchange(at.bereft, false)) return wait_again(clip, at.leg), true;  // not the clip's own failure
  if (queue_.failed(clip, kind, lane_of(at))) return set_begun(clip, at.leg), true;
  if (at.parked.group >= 0) outbox_.push_back({at.parked.group, Release{clip}});
  forget_parked(clip);
  set_begun(clip, routes_[at.shape].size());
  return false;
}

bool Dispatch::failed(int number, std::size_t clip, Error::Kind kind) {
  report(number, clip);
  return fail(clip, kind);
}

void Dispatch::interrupted(int number, std::size_t clip, Stage stage) {
  Clip& at = report(number, clip);
  free_slot(at.promised);
  at.bereft = false;
  if (at.parked.group < 0) at.leg = at.durable = lanes_.leg_with(routes_[at.shape], stage);
  wait_again(clip, at.leg);
}

std::vector<std::size_t> Dispatch::lost(int number) {
  Group& gone = group(number);
  if (!gone.alive) return {};
  set_asking(number, false);
  gone.alive = false;
  --members_[index(gone.role)];
  for (const std::size_t clip : std::exchange(gone.parked, {})) {
    Clip& at = clips_[clip];
    free_slot(at.parked);
    at.bereft = at.group >= 0 && at.group != number;
    if (at.group < 0) wait_again(clip, at.durable);
  }
  std::vector<std::size_t> given_up;
  for (const std::size_t clip : std::exchange(gone.running, {})) {
    clips_[clip].group = -1;
    if (!fail(clip, Error::internal)) given_up.push_back(clip);
  }
  return given_up;
}

// ---- Orders

Assignment Dispatch::assignment(std::size_t job) const {
  const Leg& leg = lanes_.leg(lane_of(clips_[job]));
  return {job, leg.first, leg.last, clips_[job].parked.group};
}

void Dispatch::assign(int number, std::size_t job) {
  Clip& clip = clips_[job];
  const Leg& leg = lanes_.leg(lane_of(clip));
  set_asking(number, false);
  if (leg.hands_over()) set_slot(clip.promised, number, index(leg.last));
  set_begun(job, clip.leg + 1);
  clip.group = number;
  group(number).running.insert(job);
  outbox_.push_back({number, assignment(job)});
}

void Dispatch::assign_all() {
  for (auto& [kind, groups] : asking_) {
    while (!groups.empty()) {
      const std::optional<std::size_t> job = queue_.next(open(kind));
      if (!job) break;
      assign(groups.begin()->second, *job);
    }
  }
}

/// Whether the work left would be done sooner with one group more in that role, and saves all groups together more
/// seconds than the change costs this one.
bool Dispatch::change_pays(Role from, Role to) const {
  const double here = forecast_.left(from), there = forecast_.left(to);
  const int stay = members_[index(from)] - 1, join = members_[index(to)] + 1;
  const auto seconds = [](double work, int groups) { return work > 0 ? work / groups : 0; };  // infinite without groups
  const double now = std::max(seconds(here, stay + 1), seconds(there, join - 1));
  const double saved = now - std::max(seconds(here, stay), seconds(there + options_.change_seconds, join));
  return saved * (stay + join) > options_.change_seconds;
}

/// At most one group of each kind; the next event comes soon.
void Dispatch::change_roles(double now) {
  std::vector<int> changing;
  for (const auto& [kind, groups] : asking_) {
    if (groups.empty() || kind.first == Role::resident) continue;
    const Role role = other(kind.first);
    if (!queue_.waits_in(open({role, lanes_.of(role)}))) continue;
    const auto& [since, number] = *groups.begin();
    const bool nobody = members_[index(role)] == 0;
    if (nobody || (now - since >= options_.least_seconds_in_role && change_pays(kind.first, role)))
      changing.push_back(number);
    if (nobody) break;  // one group is enough to begin with
  }
  for (const int number : changing) {
    Group& member = group(number);
    set_asking(number, false);
    --members_[index(member.role)];
    member.role = other(member.role);
    ++members_[index(member.role)];
    member.since = now;
    outbox_.push_back({number, ChangeRole{member.role}});
  }
}

std::vector<Order> Dispatch::orders(double now) {
  if (!stopped_) {
    assign_all();
    change_roles(now);
  }
  if (over() || stopped_) {
    for (auto& [kind, groups] : asking_) {
      while (!groups.empty()) {
        outbox_.push_back({groups.begin()->second, NothingMore{}});
        set_asking(groups.begin()->second, false);
      }
    }
  }
  return std::exchange(outbox_, {});
}

std::optional<Assignment> Dispatch::peek(int number, const std::set<std::size_t>& without) const {
  if (stopped_) return {};
  const std::optional<std::size_t> job = queue_.peek(open(kind(groups_.at(static_cast<std::size_t>(number)))), without);
  return job ? std::optional(assignment(*job)) : std::nullopt;
}

bool Dispatch::over() const {
  if (queue_.count(Queue::State::running) > 0) return false;
  return stopped_ || members_ == std::array<int, 3>{} || queue_.count(Queue::State::waiting) == 0;
}

}  // namespace wf
