#include "launcher/planner/simulate.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <queue>
#include <tuple>
#include <utility>
#include <variant>

#include "base/check.hpp"
#include "jobs/schedule/clip_shape.hpp"

namespace wf {
namespace {

Predicted by_stage(const SimulationSetup& setup) {
  if (setup.predicted) return setup.predicted;
  return [&setup](const Job& job, Stage stage) { return seconds_in(setup.seconds(job, 0), stage); };
}

std::vector<std::size_t> kinds_of(const SimulationSetup& setup) {
  return setup.kinds.empty() ? std::vector<std::size_t>(setup.groups.size()) : setup.kinds;
}

/// The experts that one group holds, moved as in pipeline/experts/experts.hpp. Memory for their copies is pinned beside
/// other work: from the start where they are exchanged, that of one expert after that of the other; where an expert is
/// offloaded for decoding, from when it was loaded. An expert that leaves earlier waits. Times are seconds since the
/// first clip could begin.
class HeldExperts {
 public:
  HeldExperts(Role at_start, const SimulationSetup& setup) : setup_(&setup) {
    both_ = at_start == Role::resident && !setup.exchanges;
    held_ = at_start == Role::low ? Role::low : Role::high;
    on_host_[1] = setup.low_on_host;
  }

  double seconds_to_use(Role needed, const StageSeconds& seconds, double now) {
    if (both_ || held_ == needed) return 0;
    const double leaving = setup_->exchanges ? seconds_to_leave(seconds, now) : 0;
    held_ = needed;
    since_ = now + leaving + seconds.exchange;
    return leaving + seconds.exchange;
  }

  double seconds_before(Stage stage, const StageSeconds& seconds, double now) {
    if (stage == Stage::high && seconds.high > 0) return seconds_to_use(Role::high, seconds, now);
    if (stage == Stage::low && seconds.low > 0) return seconds_to_use(Role::low, seconds, now);
    if (stage == Stage::decode && setup_->offload_expert_for_decode && !both_) return seconds_to_leave(seconds, now);
    return 0;
  }

 private:
  double seconds_to_leave(const StageSeconds& seconds, double now) {
    if (!held_) return 0;
    const Role leaving = *std::exchange(held_, std::nullopt);
    if (std::exchange(on_host_[leaving == Role::high ? 0 : 1], true)) return 0;
    const bool is_second = leaving == (setup_->low_on_host ? Role::high : Role::low);
    const double pinned =
        setup_->exchanges ? seconds.pin * (is_second ? 2 : 1) - setup_->start_seconds : since_ + seconds.pin;
    return std::max(pinned - now, 0.0);
  }

  const SimulationSetup* setup_;
  bool both_ = false;
  std::optional<Role> held_;
  double since_ = 0;                  ///< When the held expert was there.
  std::array<bool, 2> on_host_ = {};  ///< Whether the high-noise and the low-noise expert have been copied.
};

class Simulation {
 public:
  Simulation(const std::vector<Job>& jobs, const SimulationSetup& setup)
      : shapes_(shape_groups(jobs)),
        kinds_(kinds_of(setup)),
        seconds_(std::ranges::max(kinds_) + 1),
        dispatch_(jobs, setup.groups, by_stage(setup), setup.dispatch) {
    for (std::size_t kind = 0; kind < seconds_.size(); ++kind)
      for (std::size_t i = 0; i < jobs.size(); ++i)
        seconds_[kind].push_back(shapes_[i] == i ? setup.seconds(jobs[i], kind) : StageSeconds{});
    for (const Role role : setup.groups) experts_.emplace_back(role, setup);
  }

  std::vector<BusyInterval> run() {
    for (int group = 0; group < std::ssize(experts_); ++group) at(0, GroupIdle{group});
    while (!events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.time;
      std::visit([this](const auto& what) { on(what); }, event.what);
      for (const Order& order : dispatch_.orders(now_)) carry_out(order);
    }
    WF_CHECK(dispatch_.over());
    return std::move(intervals_);
  }

 private:
  struct GroupIdle {
    int group;
  };
  /// A clip's state has arrived from the group that held it.
  struct StateFetched {
    int group;
    Assignment work;
  };
  using What = std::variant<GroupIdle, StateFetched, BusyInterval>;  ///< A BusyInterval is an event at its end.
  struct Event {
    double time;
    std::size_t number;  ///< Orders events of the same time by when they were scheduled.
    What what;
    bool operator<(const Event& other) const { return std::tie(time, number) > std::tie(other.time, other.number); }
  };

  void at(double time, What what) { events_.push({time, ++count_, std::move(what)}); }
  const StageSeconds& seconds_of(std::size_t clip, int group) const {
    return seconds_[kinds_[static_cast<std::size_t>(group)]][shapes_[clip]];
  }
  HeldExperts& experts_of(int group) { return experts_[static_cast<std::size_t>(group)]; }

  void on(const GroupIdle& idle) { dispatch_.ask(idle.group); }

  void on(const StateFetched& fetched) {
    dispatch_.fetched(fetched.group, fetched.work.clip);
    compute(fetched.group, fetched.work);
  }

  void on(const BusyInterval& interval) {
    SecondsByStage seconds = {};
    for (const Stage stage : all_stages)
      if (stage >= interval.first && stage <= interval.last)
        seconds[static_cast<std::size_t>(stage)] = seconds_in(seconds_of(interval.clip, interval.group), stage);
    if (interval.last == Stage::write)
      dispatch_.done(interval.group, interval.clip, seconds);
    else
      dispatch_.handed_over(interval.group, interval.clip, seconds);
    dispatch_.ask(interval.group);
    intervals_.push_back(interval);
  }

  void carry_out(const Order& order) {
    if (const auto* const work = std::get_if<Assignment>(&order.what)) {
      if (work->holder < 0) return compute(order.group, *work);
      const bool is_far = work->holder != order.group && work->first > Stage::high;  // embeddings are small
      at(now_ + (is_far ? seconds_of(work->clip, order.group).transfer : 0), StateFetched{order.group, *work});
    } else if (const auto* const change = std::get_if<ChangeRole>(&order.what)) {
      at(now_ + experts_of(order.group).seconds_to_use(change->role, seconds_of(0, order.group), now_),
         GroupIdle{order.group});
    }
  }

  void compute(int group, const Assignment& work) {
    const StageSeconds& seconds = seconds_of(work.clip, group);
    double end = now_;
    for (const Stage stage : all_stages)
      if (stage >= work.first && stage <= work.last)
        end += experts_of(group).seconds_before(stage, seconds, end) + seconds_in(seconds, stage);
    at(end, BusyInterval{group, work.clip, work.first, work.last, now_, end});
  }

  std::vector<std::size_t> shapes_;
  std::vector<std::size_t> kinds_;  ///< Of each group.
  /// By kind, at the index of the first clip of each shape; empty elsewhere.
  std::vector<std::vector<StageSeconds>> seconds_;
  Dispatch dispatch_;
  std::vector<HeldExperts> experts_;
  std::priority_queue<Event> events_;
  std::vector<BusyInterval> intervals_;
  std::size_t count_ = 0;
  double now_ = 0;
};

}  // namespace

std::vector<BusyInterval> simulate(const std::vector<Job>& jobs, const SimulationSetup& setup) {
  return Simulation(jobs, setup).run();
}

}  // namespace wf
