#include "launcher/planner/simulate.hpp"

#include <array>
#include <cassert>
#include <optional>
#include <queue>
#include <tuple>
#include <utility>
#include <variant>

namespace wf {
namespace {

Predicted by_stage(const Staging& staging) {
  return [&staging](const Job& job, Stage stage) { return seconds_in(staging.seconds(job), stage); };
}

/// The experts of one group, as pipeline/experts.hpp moves them: the first time that one leaves for host memory, room
/// for it has to be pinned there.
class HeldExperts {
 public:
  HeldExperts(Role at_start, const Staging& staging) : staging_(&staging) {
    both_ = at_start == Role::resident && !staging.exchanges;
    held_ = at_start == Role::low ? Role::low : Role::high;
    on_host_[1] = staging.low_on_host;
  }

  double seconds_to_use(Role needed, const StageSeconds& seconds) {
    if (both_ || held_ == needed) return 0;
    const double leaving = staging_->exchanges ? seconds_to_leave(seconds) : 0;
    held_ = needed;
    return leaving + seconds.exchange;
  }

  double seconds_before(Stage stage, const StageSeconds& seconds) {
    if (stage == Stage::high && seconds.high > 0) return seconds_to_use(Role::high, seconds);
    if (stage == Stage::low && seconds.low > 0) return seconds_to_use(Role::low, seconds);
    if (stage == Stage::decode && staging_->expert_leaves && !both_) return seconds_to_leave(seconds);
    return 0;
  }

 private:
  double seconds_to_leave(const StageSeconds& seconds) {
    if (!held_) return 0;
    bool& on_host = on_host_[*std::exchange(held_, std::nullopt) == Role::high ? 0 : 1];
    return std::exchange(on_host, true) ? 0 : seconds.pin;
  }

  const Staging* staging_;
  bool both_ = false;
  std::optional<Role> held_;
  std::array<bool, 2> on_host_ = {};  ///< high, low
};

class Simulation {
 public:
  Simulation(const std::vector<Job>& jobs, const Staging& staging)
      : shapes_(shape_groups(jobs)), dispatch_(jobs, staging.groups, by_stage(staging), staging.dispatch) {
    for (std::size_t i = 0; i < jobs.size(); ++i)
      seconds_.push_back(shapes_[i] == i ? staging.seconds(jobs[i]) : StageSeconds{});
    for (const Role role : staging.groups) experts_.emplace_back(role, staging);
  }

  std::vector<Stint> run() {
    for (int group = 0; group < std::ssize(experts_); ++group) at(0, Asks{group});
    while (!events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.time;
      std::visit([this](const auto& what) { happens(what); }, event.what);
      for (const Order& order : dispatch_.orders(now_)) carry_out(order);
    }
    assert(dispatch_.over());
    return std::move(stints_);
  }

 private:
  struct Asks {
    int group;
  };
  struct Pulled {  ///< from the group that held what the clip goes on from
    int group;
    Assignment work;
  };
  using What = std::variant<Asks, Pulled, Stint>;  ///< a stint's end
  struct Event {
    double time;
    std::size_t number;  ///< of those at one time the first comes first
    What what;
    bool operator<(const Event& other) const { return std::tie(time, number) > std::tie(other.time, other.number); }
  };

  void at(double time, What what) { events_.push({time, ++count_, std::move(what)}); }
  const StageSeconds& seconds_of(std::size_t clip) const { return seconds_[shapes_[clip]]; }
  HeldExperts& experts_of(int group) { return experts_[static_cast<std::size_t>(group)]; }

  void happens(const Asks& asks) { dispatch_.ask(asks.group); }

  void happens(const Pulled& pulled) {
    dispatch_.pulled(pulled.group, pulled.work.clip);
    compute(pulled.group, pulled.work);
  }

  void happens(const Stint& stint) {
    SecondsByStage seconds = {};
    for (const Stage stage : all_stages)
      if (stage >= stint.first && stage <= stint.last)
        seconds[static_cast<std::size_t>(stage)] = seconds_in(seconds_of(stint.clip), stage);
    if (stint.last == Stage::write)
      dispatch_.done(stint.group, stint.clip, seconds);
    else
      dispatch_.handed_over(stint.group, stint.clip, seconds);
    dispatch_.ask(stint.group);
    stints_.push_back(stint);
  }

  void carry_out(const Order& order) {
    if (const auto* const work = std::get_if<Assignment>(&order.what)) {
      if (work->holder < 0) return compute(order.group, *work);
      const bool is_far = work->holder != order.group && work->first > Stage::high;  // a text is small
      at(now_ + (is_far ? seconds_of(work->clip).transfer : 0), Pulled{order.group, *work});
    } else if (const auto* const change = std::get_if<ChangeRole>(&order.what)) {
      at(now_ + experts_of(order.group).seconds_to_use(change->role, seconds_.front()), Asks{order.group});
    }
  }

  void compute(int group, const Assignment& work) {
    const StageSeconds& seconds = seconds_of(work.clip);
    double end = now_;
    for (const Stage stage : all_stages)
      if (stage >= work.first && stage <= work.last)
        end += experts_of(group).seconds_before(stage, seconds) + seconds_in(seconds, stage);
    at(end, Stint{group, work.clip, work.first, work.last, now_, end});
  }

  std::vector<std::size_t> shapes_;
  std::vector<StageSeconds> seconds_;  ///< by the first clip of a shape
  Dispatch dispatch_;
  std::vector<HeldExperts> experts_;
  std::priority_queue<Event> events_;
  std::vector<Stint> stints_;
  std::size_t count_ = 0;
  double now_ = 0;
};

}  // namespace

std::vector<Stint> simulate(const std::vector<Job>& jobs, const Staging& staging) {
  return Simulation(jobs, staging).run();
}

}  // namespace wf
