// tests/launcher/farm_simulation.hpp: groups of ranks as small state machines under a simulated clock, driven by the
// real dispatcher. It checks at every start that nothing starves, and after every event that parked states are bounded.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <queue>
#include <random>

#include "launcher/dispatch.hpp"

namespace wf {

struct Farm {
  std::vector<Job> jobs;
  std::vector<Role> groups;
  Predicted predicted;
  DispatchOptions options = {};
  double noise = 0.1;                   ///< a stage takes between 1 - noise and 1 + noise of its prediction
  double hand_over_seconds = 0.05;      ///< from group to group
  std::map<int, double> slowness = {};  ///< groups that take so many times as long
  std::function<double(Stage)> truth = [](Stage) { return 1.0; };  ///< how wrong the predictions are
  double failures = 0;                                             ///< share of legs that end in a transient error
  double deaths_per_second = 0;                                    ///< of groups, as long as more than half are alive
};

class Simulation {
 public:
  explicit Simulation(Farm farm)
      : farm_(std::move(farm)),
        dispatch_(farm_.jobs, farm_.groups, farm_.predicted, farm_.options),
        members_(farm_.groups.size()),
        seen_(farm_.jobs.size()),
        shape_of_(shape_groups(farm_.jobs)) {}

  /// Until nothing is left to do; the seconds on the simulated clock.
  double run() {
    const std::clock_t begin = std::clock();
    for (std::size_t clip = 0; clip < farm_.jobs.size(); ++clip) waits(clip, Stage::text);
    for (int group = 0; group < size(); ++group) at(0, group, [this, group] { dispatch_.ask(group); });
    if (farm_.deaths_per_second > 0) plan_death();
    while (!events_.empty() && !dispatch_.over()) {
      Event event = events_.top();
      events_.pop();
      if (event.group >= 0 && members_[static_cast<std::size_t>(event.group)].dead) continue;
      now_ = event.time;
      event.happens();
      for (const Order& order : dispatch_.orders(now_)) carry_out(order);
      parked_is_bounded(event.group);
    }
    EXPECT_TRUE(dispatch_.over()) << "stuck at " << now_ << " s";
    cpu_ms_ = 1e3 * static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    for (const double died : died_) lost_seconds_ += now_ - died;
    return now_;
  }

  const Dispatch& dispatch() const { return dispatch_; }
  double cpu_ms_per_clip() const { return cpu_ms_ / static_cast<double>(farm_.jobs.size()); }
  int role_changes() const { return role_changes_; }
  int deaths() const { return deaths_; }
  int most_parked() const { return most_parked_; }
  int times_finished(std::size_t clip) const { return seen_[clip].finished; }
  double lost_seconds() const { return lost_seconds_; }  ///< of dead groups, from their death on

 private:
  struct Event {
    double time;
    std::size_t number;
    int group;
    std::function<void()> happens;
    bool operator<(const Event& other) const { return std::tie(time, number) > std::tie(other.time, other.number); }
  };
  struct Member {
    bool dead = false;
    std::vector<std::size_t> parked;
  };
  struct Seen {
    int finished = 0;
    bool failed_once = false;
    std::optional<Stage> waits_at;
    int holder = -1;
  };

  int size() const { return static_cast<int>(farm_.groups.size()); }
  void at(double time, int group, std::function<void()> happens) {
    events_.push({time, ++event_, group, std::move(happens)});
  }

  // -- starvation: the clips of one shape and priority that wait at one stage, in the order of the list
  std::set<std::size_t>& line(std::size_t clip, Stage stage) {
    return lines_[{shape_of_[clip], farm_.jobs[clip].priority, stage}];
  }
  void waits(std::size_t clip, Stage stage) {
    seen_[clip].waits_at = stage;
    if (!seen_[clip].failed_once) line(clip, stage).insert(clip);
  }
  void starts(std::size_t clip) {
    const Stage stage = seen_[clip].waits_at.value();
    std::set<std::size_t>& waiting = line(clip, stage);
    if (!seen_[clip].failed_once) {
      EXPECT_EQ(*waiting.begin(), clip) << "a later one starts while it waits at " << to_string(stage);
    }
    waiting.erase(clip);
    seen_[clip].waits_at.reset();
  }
  void starts_again(std::size_t clip, bool failure) {
    if (seen_[clip].waits_at) line(clip, *seen_[clip].waits_at).erase(clip);
    seen_[clip].failed_once |= failure;
    seen_[clip].holder = -1;
    waits(clip, Stage::text);
  }

  void carry_out(const Order& order) {
    if (const auto* assignment = std::get_if<Assignment>(&order.what)) return begin(order.group, *assignment);
    if (!std::holds_alternative<ChangeRole>(order.what)) return;
    ++role_changes_;
    at(now_ + farm_.options.change_seconds, order.group, [this, g = order.group] { dispatch_.ask(g); });
  }

  void begin(int group, const Assignment& work) {
    starts(work.clip);
    EXPECT_EQ(work.holder, seen_[work.clip].holder);
    double time = now_;
    if (work.holder >= 0) {
      time += work.holder == group ? 0 : farm_.hand_over_seconds;
      at(time, group, [this, group, work] { pull(group, work); });
    } else {
      compute(group, work);
    }
  }

  void pull(int group, const Assignment& work) {
    if (members_[static_cast<std::size_t>(work.holder)].dead) return fail(group, work.clip);
    dispatch_.pulled(group, work.clip);
    seen_[work.clip].holder = -1;
    compute(group, work);
  }

  void compute(int group, const Assignment& work) {
    SecondsByStage seconds = {};
    double all = 0;
    const auto slow = farm_.slowness.find(group);
    for (auto i = static_cast<std::size_t>(work.first); i <= static_cast<std::size_t>(work.last); ++i) {
      const double factor = std::uniform_real_distribution(1 - farm_.noise, 1 + farm_.noise)(random_);
      seconds[i] = factor * farm_.predicted(farm_.jobs[work.clip], all_stages[i]) * farm_.truth(all_stages[i]);
      if (slow != farm_.slowness.end()) seconds[i] *= slow->second;
      all += seconds[i];
    }
    const bool fails = std::bernoulli_distribution(farm_.failures)(random_);
    at(now_ + all, group, [this, group, work, seconds, fails] {
      if (fails) return fail(group, work.clip);
      finish(group, work, seconds);
    });
  }

  void fail(int group, std::size_t clip) {
    const int holder = seen_[clip].holder;
    const bool lost = holder >= 0 && members_[static_cast<std::size_t>(holder)].dead;
    if (dispatch_.failed(group, clip, Error::transient)) starts_again(clip, !lost);
    dispatch_.ask(group);
  }

  void finish(int group, const Assignment& work, const SecondsByStage& seconds) {
    if (work.last == Stage::write) {
      dispatch_.done(group, work.clip, seconds);
      ++seen_[work.clip].finished;
    } else {
      dispatch_.handed_over(group, work.clip, seconds);
      seen_[work.clip].holder = group;
      waits(work.clip, all_stages[static_cast<std::size_t>(work.last) + 1]);
    }
    dispatch_.ask(group);
  }

  void plan_death() {
    at(now_ + std::exponential_distribution(farm_.deaths_per_second)(random_), -1, [this] {
      if (2 * (deaths_ + 1) < size()) die(std::uniform_int_distribution(0, size() - 1)(random_));
      plan_death();
    });
  }

  void die(int group) {
    if (std::exchange(members_[static_cast<std::size_t>(group)].dead, true)) return;
    ++deaths_;
    died_.push_back(now_);
    std::vector<std::size_t> running, parked;
    for (std::size_t clip = 0; clip < seen_.size(); ++clip) {
      if (seen_[clip].holder == group && seen_[clip].waits_at) parked.push_back(clip);
    }
    const auto before = attempts();
    for (const std::size_t clip : parked) starts_again(clip, false);
    dispatch_.lost(group);
    for (std::size_t clip = 0; clip < seen_.size(); ++clip) {
      if (dispatch_.queue().attempts(clip) == before[clip] || dispatch_.queue().state(clip) != Queue::State::waiting)
        continue;
      const int holder = seen_[clip].holder;  // it may have died before the pull: its state is still there then
      if (holder >= 0 && !members_[static_cast<std::size_t>(holder)].dead) {
        seen_[clip].failed_once = true;
        waits(clip, Stage::low);
      } else {
        starts_again(clip, true);
      }
    }
  }
  std::vector<int> attempts() const {
    std::vector<int> attempts(seen_.size());
    for (std::size_t clip = 0; clip < seen_.size(); ++clip) attempts[clip] = dispatch_.queue().attempts(clip);
    return attempts;
  }

  void parked_is_bounded(int group) {
    most_parked_ = std::max(most_parked_, dispatch_.parked(Stage::high));
    for (const Stage stage : all_stages) {
      ASSERT_LE(dispatch_.parked(stage), farm_.options.parked_in_total);
      ASSERT_LE(dispatch_.parked_at(std::max(group, 0), stage), farm_.options.parked_per_group);
    }
  }

  Farm farm_;
  Dispatch dispatch_;
  std::vector<Member> members_;
  std::vector<Seen> seen_;
  std::vector<std::size_t> shape_of_;
  std::map<std::tuple<std::size_t, int, Stage>, std::set<std::size_t>> lines_;
  std::priority_queue<Event> events_;
  std::size_t event_ = 0;
  std::mt19937 random_{7};
  std::vector<double> died_;
  double now_ = 0, cpu_ms_ = 0, lost_seconds_ = 0;
  int role_changes_ = 0, deaths_ = 0;
  int most_parked_ = 0;
};

}  // namespace wf
