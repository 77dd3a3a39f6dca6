#include "jobs/schedule/dispatch.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "jobs/schedule/clip_shape.hpp"

namespace wf {
namespace {

/// A clip with which so many groups were lost is not tried again: it may be what ends them.
constexpr int most_losses = 2;

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
  WF_CHECK(residents == 0 || residents == std::ssize(groups));
  return residents == 0;
}

}  // namespace

Dispatch::Dispatch(const std::vector<Job>& jobs, const std::vector<Role>& groups, const Predicted& predicted,
                   const DispatchOptions& options)
    : options_(options),
      queue_(jobs, whole_clip(predicted), options.retries),
      levels_(are_pools(groups), options.light),
      clips_(jobs.size()),
      groups_(groups.size()) {
  for (std::size_t i = 0; i < groups.size(); ++i) {
    groups_[i].role = groups[i];
    groups_[i].keeps_its_role = options.keep_their_role.contains(static_cast<int>(i));
    ++groups_in_role_[index(groups[i])];
  }
  const std::vector<std::size_t> first_of_shape = shape_groups(jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    clips_[i].shape = first_of_shape[i] == i ? add_shape(jobs[i], predicted) : clips_[first_of_shape[i]].shape;
    for (const Stage stage : all_stages) forecast_.add_clips(clips_[i].shape, stage, 1);
    queue_.requeue(i, level_of(clips_[i]));
  }
}

std::size_t Dispatch::add_shape(const Job& job, const Predicted& predicted) {
  SecondsByStage seconds;
  for (const Stage stage : all_stages) seconds[index(stage)] = predicted(job, stage);
  routes_.push_back(levels_.route(seconds[index(Stage::high)] > 0, seconds[index(Stage::low)] > 0));
  return forecast_.add_shape(seconds, levels_.roles(routes_.back()));
}

Dispatch::Group& Dispatch::group(int number) {
  WF_CHECK(0 <= number && number < std::ssize(groups_));
  return groups_[static_cast<std::size_t>(number)];
}

/// The clip, on which this living group has to be at work.
Dispatch::Clip& Dispatch::clip_of(int number, std::size_t clip) {
  WF_CHECK(group(number).alive && clip < clips_.size() && clips_[clip].group == number);
  return clips_[clip];
}

// ---- What groups may be given

/// Levels of the legs after which a clip would need a slot, where `bound` slots are taken already.
Queue::Levels Dispatch::full_levels(const Counts& slots, int bound) const {
  Queue::Levels levels = 0;
  for (std::size_t stage = 0; stage < slots.size(); ++stage)
    if (slots[stage] >= bound) levels |= levels_.handing_over_after(all_stages[stage]);
  return levels;
}

Dispatch::Eligibility Dispatch::eligibility(const Group& group) const {
  return {group.role, levels_.levels_of(group.role) & ~full_levels(group.slots, options_.stashed_per_group)};
}

Queue::Levels Dispatch::open_levels(const Eligibility& eligibility) const {
  const Queue::Levels held = paused_ ? levels_.beginning() : 0;
  return eligibility.levels & ~full_levels(slots_, options_.stashed_in_total) & ~held;
}

void Dispatch::set_asking(int number, bool asks) {
  Group& entry = group(number);
  if (entry.asks) asking_[eligibility(entry)].erase({entry.since, number});
  if (asks) asking_[eligibility(entry)].insert({entry.since, number});
  entry.asks = asks;
}

/// The group must not be asking: its eligibility may change.
void Dispatch::take_slot(Slot& slot, int number, std::size_t stage) {
  WF_CHECK(slot.group < 0 && !group(number).asks);
  slot = {number, stage};
  ++slots_[stage];
  ++group(number).slots[stage];
}

void Dispatch::free_slot(Slot& slot) {
  if (slot.group < 0) return;
  Group& entry = group(slot.group);
  const bool asks = entry.asks;
  if (asks) set_asking(slot.group, false);  // its eligibility is about to change
  --slots_[slot.stage];
  --entry.slots[slot.stage];
  if (asks) set_asking(slot.group, true);
  slot = {};
}

void Dispatch::free_stashed(std::size_t clip) {
  Slot& slot = clips_[clip].stashed;
  if (slot.group >= 0) group(slot.group).stashed.erase(clip);
  free_slot(slot);
}

// ---- What becomes of a clip

/// Keeps the forecast in step: the first `legs` legs of the clip are no longer work left, all others are.
void Dispatch::set_legs_begun(std::size_t clip, std::size_t legs) {
  Clip& entry = clips_[clip];
  const auto count = [&](std::size_t i, int clips) {
    const Leg& leg = levels_.leg(route_of(entry)[i]);
    for (std::size_t stage = index(leg.first); stage <= index(leg.last); ++stage)
      forecast_.add_clips(entry.shape, all_stages[stage], clips);
  };
  for (; entry.legs_begun < legs; ++entry.legs_begun) count(entry.legs_begun, -1);
  for (; entry.legs_begun > legs; --entry.legs_begun) count(entry.legs_begun - 1, 1);
}

void Dispatch::wait_for_leg(std::size_t clip, std::size_t leg) {
  clips_[clip].leg = leg;
  set_legs_begun(clip, leg);
  queue_.requeue(clip, level_of(clips_[clip]));
}

void Dispatch::finished_before(std::size_t clip) {
  WF_CHECK(queue_.state(clip) == Queue::State::waiting && clips_[clip].stashed.group < 0);
  set_legs_begun(clip, route_of(clips_[clip]).size());
  queue_.done(clip);
}

void Dispatch::stored_before(std::size_t clip, Stage stage) {
  WF_CHECK(queue_.state(clip) == Queue::State::waiting && clips_[clip].stashed.group < 0);
  clips_[clip].restart_leg = levels_.leg_with(route_of(clips_[clip]), stage);
  wait_for_leg(clip, clips_[clip].restart_leg);
}

void Dispatch::end_work(int number, std::size_t clip) {
  group(number).running.erase(clip);
  clips_[clip].group = -1;
}

void Dispatch::measure(const Clip& clip, const SecondsByStage& seconds) {
  for (const Stage stage : all_stages)
    if (seconds[index(stage)] > 0) forecast_.add_measurement(clip.shape, stage, seconds[index(stage)]);
}

void Dispatch::ask(int number) {
  WF_CHECK(group(number).alive);
  set_asking(number, true);
}

void Dispatch::fetched(int number, std::size_t clip) {
  clip_of(number, clip).state_lost = false;
  free_stashed(clip);
}

void Dispatch::handed_over(int number, std::size_t clip, const SecondsByStage& seconds) {
  Clip& entry = clip_of(number, clip);
  WF_CHECK(entry.stashed.group < 0 && entry.reserved.group == number);
  end_work(number, clip);
  measure(entry, seconds);
  entry.stashed = std::exchange(entry.reserved, {});
  group(number).stashed.insert(clip);
  wait_for_leg(clip, entry.leg + 1);
}

void Dispatch::done(int number, std::size_t clip, const SecondsByStage& seconds) {
  const Clip& entry = clip_of(number, clip);
  WF_CHECK(entry.stashed.group < 0 && entry.reserved.group < 0);
  end_work(number, clip);
  measure(entry, seconds);
  queue_.done(clip);
}

/// Ends an attempt at a clip that no group works on any more. While its state is still kept by a group, the clip
/// continues from there. A clip that failed once after continuing from a state on disk begins with its first leg the
/// next time, in case that state is what is wrong.
bool Dispatch::fail(std::size_t clip, Error::Kind kind) {
  Clip& entry = clips_[clip];
  free_slot(entry.reserved);
  if (entry.stashed.group < 0) entry.leg = std::exchange(entry.restart_leg, 0);
  if (std::exchange(entry.state_lost, false)) return wait_for_leg(clip, entry.leg), true;  // not the clip's own failure
  if (queue_.failed(clip, kind, level_of(entry))) return set_legs_begun(clip, entry.leg), true;
  if (entry.stashed.group >= 0) pending_orders_.push_back({entry.stashed.group, ReleaseState{clip}});
  free_stashed(clip);
  set_legs_begun(clip, route_of(entry).size());
  return false;
}

bool Dispatch::failed(int number, std::size_t clip, Error::Kind kind) {
  clip_of(number, clip);
  end_work(number, clip);
  return fail(clip, kind);
}

void Dispatch::interrupted(int number, std::size_t clip, Stage stage) {
  Clip& entry = clip_of(number, clip);
  end_work(number, clip);
  free_slot(entry.reserved);
  entry.state_lost = false;
  if (entry.stashed.group < 0) entry.leg = entry.restart_leg = levels_.leg_with(route_of(entry), stage);
  wait_for_leg(clip, entry.leg);
}

std::vector<std::size_t> Dispatch::lost(int number) {
  Group& gone = group(number);
  if (!gone.alive) return {};
  set_asking(number, false);
  gone.alive = false;
  --groups_in_role_[index(gone.role)];
  for (const std::size_t clip : std::exchange(gone.stashed, {})) {
    Clip& entry = clips_[clip];
    free_slot(entry.stashed);
    entry.state_lost = entry.group >= 0 && entry.group != number;
    if (entry.group < 0) wait_for_leg(clip, entry.restart_leg);
  }
  std::vector<std::size_t> given_up;
  for (const std::size_t clip : std::exchange(gone.running, {})) {
    clips_[clip].group = -1;
    const bool again = ++clips_[clip].losses < most_losses;
    if (!fail(clip, again ? Error::internal : Error::permanent)) given_up.push_back(clip);
  }
  return given_up;
}

bool Dispatch::lost_before(std::size_t clip, int losses) {
  clips_.at(clip).losses = losses;
  if (losses < most_losses) return true;
  give_up(clip);
  return false;
}

bool Dispatch::give_up(std::size_t clip) {
  if (queue_.state(clip) != Queue::State::waiting) return false;
  Clip& entry = clips_[clip];
  if (entry.stashed.group >= 0) pending_orders_.push_back({entry.stashed.group, ReleaseState{clip}});
  free_stashed(clip);
  entry.leg = entry.restart_leg = 0;
  set_legs_begun(clip, route_of(entry).size());
  queue_.give_up(clip);
  return true;
}

bool Dispatch::retry(std::size_t clip) {
  if (queue_.state(clip) != Queue::State::failed) return false;
  Clip& entry = clips_[clip];
  entry.leg = entry.restart_leg = 0;
  entry.losses = 0;
  set_legs_begun(clip, 0);
  queue_.retry(clip, level_of(entry));
  return true;
}

// ---- Orders

Assignment Dispatch::assignment(std::size_t clip) const {
  const Leg& leg = levels_.leg(level_of(clips_[clip]));
  return {clip, leg.first, leg.last, clips_[clip].stashed.group};
}

void Dispatch::assign(int number, std::size_t clip) {
  Clip& entry = clips_[clip];
  const Leg& leg = levels_.leg(level_of(entry));
  set_asking(number, false);
  if (leg.hands_over()) take_slot(entry.reserved, number, index(leg.last));
  set_legs_begun(clip, entry.leg + 1);
  entry.group = number;
  group(number).running.insert(clip);
  pending_orders_.push_back({number, assignment(clip)});
}

void Dispatch::assign_all() {
  for (auto& [eligibility, groups] : asking_) {
    while (!groups.empty()) {
      const std::optional<std::size_t> clip = queue_.next(open_levels(eligibility));
      if (!clip) break;
      assign(groups.begin()->second, *clip);
    }
  }
}

/// Whether the work left would be done sooner with one more group in that role, and the change saves all groups
/// together more seconds than it costs this one.
bool Dispatch::change_pays(Role from, Role to) const {
  const double here = forecast_.seconds_left(from), there = forecast_.seconds_left(to);
  const int stay = groups_in_role_[index(from)] - 1, join = groups_in_role_[index(to)] + 1;
  const auto seconds = [](double work, int groups) { return work > 0 ? work / groups : 0; };  // infinite without groups
  const double now = std::max(seconds(here, stay + 1), seconds(there, join - 1));
  const double saved = now - std::max(seconds(here, stay), seconds(there + options_.change_seconds, join));
  return saved * (stay + join) > options_.change_seconds;
}

/// Changes the role of at most one idle group of each eligibility. orders() is called again soon, after the next
/// report.
void Dispatch::change_roles(double now) {
  std::vector<int> changing;
  for (const auto& [eligibility, groups] : asking_) {
    if (groups.empty() || eligibility.role == Role::resident) continue;
    const Role role = other(eligibility.role);
    if (!queue_.has_waiting(open_levels({role, levels_.levels_of(role)}))) continue;
    const auto may_change = [this](const auto& asking) { return !group(asking.second).keeps_its_role; };
    const auto first = std::ranges::find_if(groups, may_change);
    if (first == groups.end()) continue;
    const auto [since, number] = *first;
    const bool nobody = groups_in_role_[index(role)] == 0;
    if (nobody || (now - since >= options_.least_seconds_in_role && change_pays(eligibility.role, role)))
      changing.push_back(number);
    if (nobody) break;  // one group is enough to begin with
  }
  for (const int number : changing) {
    Group& entry = group(number);
    set_asking(number, false);
    --groups_in_role_[index(entry.role)];
    entry.role = other(entry.role);
    ++groups_in_role_[index(entry.role)];
    entry.since = now;
    pending_orders_.push_back({number, ChangeRole{entry.role}});
  }
}

std::vector<Order> Dispatch::orders(double now) {
  if (!stopped_) {
    assign_all();
    change_roles(now);
  }
  if (over() || stopped_) {
    for (auto& [eligibility, groups] : asking_) {
      while (!groups.empty()) {
        pending_orders_.push_back({groups.begin()->second, NoMoreWork{}});
        set_asking(groups.begin()->second, false);
      }
    }
  }
  return std::exchange(pending_orders_, {});
}

std::optional<Assignment> Dispatch::peek(int number, const std::set<std::size_t>& excluded) const {
  if (stopped_) return {};
  const Group& entry = groups_.at(static_cast<std::size_t>(number));
  const std::optional<std::size_t> clip = queue_.peek(open_levels(eligibility(entry)), excluded);
  return clip ? std::optional(assignment(*clip)) : std::nullopt;
}

/// Whether a living group could be given a waiting clip, now or after a change of its role.
bool Dispatch::can_go_on() const {
  if (options_.keep_their_role.empty())
    return groups_in_role_ != std::array<int, 3>{} && queue_.count(Queue::State::waiting) > 0;
  Queue::Levels levels = 0;
  for (const Group& group : groups_) {
    if (!group.alive) continue;
    levels |= eligibility(group).levels;
    if (!group.keeps_its_role) levels |= levels_.levels_of(other(group.role));
  }
  return queue_.has_waiting(levels & ~full_levels(slots_, options_.stashed_in_total));
}

bool Dispatch::over() const {
  if (queue_.count(Queue::State::running) > 0) return false;
  return stopped_ || !can_go_on();
}

}  // namespace wf
