// tests/jobs/schedule/cluster_simulation.hpp: groups of ranks as small state machines under a simulated clock, driven
// by the real dispatcher. Every start is checked for starvation, every reservation for the bounds on stashed states.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <limits>
#include <map>
#include <queue>
#include <random>
#include <tuple>

#include "jobs/schedule/clip_shape.hpp"
#include "jobs/schedule/dispatch.hpp"

namespace wf {

struct SimulatedCluster {
  std::vector<Job> jobs;
  std::vector<Role> groups;
  Predicted predicted;
  DispatchOptions options = {};
  double noise = 0.1;                   ///< A stage takes between 1 - noise and 1 + noise of its true seconds.
  double hand_over_seconds = 0.05;      ///< Seconds in which a state gets from one group to another.
  std::map<int, double> slowness = {};  ///< Factor on all stages of single groups.
  std::function<double(Stage)> truth = [](Stage) { return 1.0; };  ///< Ratio of true to predicted seconds.
  double failures = 0;                                             ///< Share of legs that end in a transient error.
  double losses_per_second = 0;  ///< Rate at which groups are lost, as long as more than half of them are left.
  double checkpoint_seconds = std::numeric_limits<double>::infinity();  ///< Work after which a clip's state is stored.
};

/// Clips whose state is stashed at a group or will be, counted from orders and reports alone.
class StashCount {
 public:
  /// An assigned leg ends with `last`, and the group will keep the state.
  void reserve(std::size_t clip, int group, Stage last) { add(reserved_[clip] = {group, last}, 1); }
  /// The state is at the group for which it was reserved.
  void stash(std::size_t clip) {
    stashed_[clip] = reserved_.at(clip);
    reserved_.erase(clip);
  }
  void free_reserved(std::size_t clip) { remove(reserved_, clip); }
  void free_stashed(std::size_t clip) { remove(stashed_, clip); }
  int at(int group, Stage stage) const { return find({group, stage}); }
  int total(Stage stage) const { return find({everywhere, stage}); }

 private:
  using Slot = std::pair<int, Stage>;
  static constexpr int everywhere = -1;

  int find(const Slot& slot) const {
    const auto found = counts_.find(slot);
    return found == counts_.end() ? 0 : found->second;
  }
  void add(const Slot& slot, int clips) {
    counts_[slot] += clips;
    counts_[{everywhere, slot.second}] += clips;
  }
  void remove(std::map<std::size_t, Slot>& slots, std::size_t clip) {
    const auto found = slots.find(clip);
    if (found == slots.end()) return;
    add(found->second, -1);
    slots.erase(found);
  }

  std::map<std::size_t, Slot> reserved_, stashed_;  ///< By clip.
  std::map<Slot, int> counts_;
};

class Simulation {
 public:
  explicit Simulation(SimulatedCluster cluster)
      : cluster_(std::move(cluster)),
        dispatch_(cluster_.jobs, cluster_.groups, cluster_.predicted, cluster_.options),
        groups_(cluster_.groups.size()),
        clips_(cluster_.jobs.size()),
        shape_of_(shape_groups(cluster_.jobs)) {}

  /// Runs until no work is left, and returns the seconds on the simulated clock.
  double run() {
    const std::clock_t begin = std::clock();
    for (std::size_t clip = 0; clip < cluster_.jobs.size(); ++clip) wait(clip, Stage::text);
    for (int group = 0; group < size(); ++group) at(0, group, [this, group] { dispatch_.ask(group); });
    if (cluster_.losses_per_second > 0) plan_loss();
    while (!events_.empty() && !dispatch_.over()) {
      Event event = events_.top();
      events_.pop();
      if (event.group >= 0 && is_lost(event.group)) continue;
      now_ = event.time;
      event.happens();
      for (const Order& order : dispatch_.orders(now_)) carry_out(order);
    }
    EXPECT_TRUE(dispatch_.over()) << "stuck at " << now_ << " s";
    cpu_ms_ = 1e3 * static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    for (const double time : times_of_loss_) lost_group_seconds_ += now_ - time;
    return now_;
  }

  double cpu_ms_per_clip() const { return cpu_ms_ / static_cast<double>(cluster_.jobs.size()); }
  int role_changes() const { return role_changes_; }
  int losses() const { return static_cast<int>(times_of_loss_.size()); }
  int most_stashed() const { return most_stashed_; }  ///< Most states after `high` that were kept at one time.
  int times_finished(std::size_t clip) const { return clips_[clip].finished; }
  bool given_up(std::size_t clip) const { return clips_[clip].given_up; }
  double lost_group_seconds() const {
    return lost_group_seconds_;
  }  ///< Of all lost groups, from their loss to the end.

 private:
  struct Event {
    double time;
    std::size_t number;  ///< Events at one time happen in the order in which they were planned.
    int group;           ///< The event is dropped when this group is lost; -1: never.
    std::function<void()> happens;
    bool operator<(const Event& other) const { return std::tie(time, number) > std::tie(other.time, other.number); }
  };
  struct Group {
    bool lost = false;
    std::set<std::size_t> running;  ///< Clips that the group was given and has not reported.
  };
  struct Clip {
    int finished = 0;
    bool given_up = false;
    bool failed_once = false;
    std::optional<Stage> waits_at;
    Stage leg_began = Stage::text;  ///< First stage of the last leg that was assigned.
    int holder = -1;                ///< Group that keeps the state.
    double stored = 0;  ///< Seconds of work from the prompt on that an earlier attempt has left on the disk.
    double passed = 0;  ///< Seconds of work in the legs that this attempt has behind it.
    std::optional<double> computing_since = {};  ///< When its group began the leg; less what was stored of that.
  };

  int size() const { return static_cast<int>(cluster_.groups.size()); }
  Group& group_at(int number) { return groups_[static_cast<std::size_t>(number)]; }
  bool is_lost(int group) { return group_at(group).lost; }
  void at(double time, int group, std::function<void()> happens) {
    events_.push({time, ++event_, group, std::move(happens)});
  }

  // -- Starvation: the clips of one shape and priority that wait at one stage, in the order of the list

  std::set<std::size_t>& line(std::size_t clip, Stage stage) {
    return lines_[{shape_of_[clip], cluster_.jobs[clip].priority, stage}];
  }
  void wait(std::size_t clip, Stage stage) {
    clips_[clip].waits_at = stage;
    if (!clips_[clip].failed_once) line(clip, stage).insert(clip);
  }
  void start(std::size_t clip) {
    const Stage stage = clips_[clip].waits_at.value();
    std::set<std::size_t>& waiting = line(clip, stage);
    if (!clips_[clip].failed_once) {
      EXPECT_EQ(*waiting.begin(), clip) << "a later clip starts while it waits at " << to_string(stage);
    }
    waiting.erase(clip);
    clips_[clip].waits_at.reset();
  }
  void start_over(std::size_t clip, bool failure) {
    if (clips_[clip].waits_at) line(clip, *clips_[clip].waits_at).erase(clip);
    clips_[clip].failed_once |= failure;
    clips_[clip].holder = -1;
    clips_[clip].passed = 0;
    wait(clip, Stage::text);
  }

  void carry_out(const Order& order) {
    if (const auto* assignment = std::get_if<Assignment>(&order.what)) return begin(order.group, *assignment);
    if (const auto* release = std::get_if<ReleaseState>(&order.what)) return stashes_.free_stashed(release->clip);
    if (!std::holds_alternative<ChangeRole>(order.what)) return;
    ++role_changes_;
    at(now_ + cluster_.options.change_seconds, order.group, [this, g = order.group] { dispatch_.ask(g); });
  }

  void begin(int group, const Assignment& work) {
    start(work.clip);
    Clip& clip = clips_[work.clip];
    EXPECT_EQ(work.holder, clip.holder);
    clip.leg_began = work.first;
    group_at(group).running.insert(work.clip);
    if (work.last != Stage::write) reserve(group, work);
    if (work.holder < 0) return compute(group, work);
    const double seconds = work.holder == group ? 0 : cluster_.hand_over_seconds;
    at(now_ + seconds, group, [this, group, work] { fetch(group, work); });
  }

  void reserve(int group, const Assignment& work) {
    stashes_.reserve(work.clip, group, work.last);
    EXPECT_LE(stashes_.at(group, work.last), cluster_.options.stashed_per_group);
    EXPECT_LE(stashes_.total(work.last), cluster_.options.stashed_in_total);
    most_stashed_ = std::max(most_stashed_, stashes_.total(Stage::high));
  }

  void fetch(int group, const Assignment& work) {
    if (is_lost(work.holder)) return fail(group, work.clip);
    dispatch_.fetched(group, work.clip);
    stashes_.free_stashed(work.clip);
    clips_[work.clip].holder = -1;
    compute(group, work);
  }

  void compute(int group, const Assignment& work) {
    SecondsByStage seconds = {};
    double all = 0;
    const auto slow = cluster_.slowness.find(group);
    for (auto i = static_cast<std::size_t>(work.first); i <= static_cast<std::size_t>(work.last); ++i) {
      const double factor = std::uniform_real_distribution(1 - cluster_.noise, 1 + cluster_.noise)(random_);
      seconds[i] = factor * cluster_.predicted(cluster_.jobs[work.clip], all_stages[i]) * cluster_.truth(all_stages[i]);
      if (slow != cluster_.slowness.end()) seconds[i] *= slow->second;
      all += seconds[i];
    }
    const bool fails = std::bernoulli_distribution(cluster_.failures)(random_);
    const double skipped = stored_of_leg(clips_[work.clip], seconds);
    clips_[work.clip].computing_since = now_ - skipped;
    at(now_ + all - skipped, group, [this, group, work, seconds, fails] {
      if (fails) return fail(group, work.clip);
      finish(group, work, seconds);
    });
  }

  /// How much of a leg that takes so many seconds is on the disk: nothing of what follows denoising.
  static double stored_of_leg(const Clip& clip, const SecondsByStage& seconds) {
    const double storable = seconds[0] + seconds[1] + seconds[2];
    return std::clamp(clip.stored - clip.passed, 0.0, storable);
  }

  /// Leaves on the disk what the clip has stored until its group is lost.
  void keep_what_is_stored(Clip& clip) {
    const double done = clip.passed + (clip.computing_since ? now_ - *clip.computing_since : 0);
    const double every = cluster_.checkpoint_seconds;
    if (std::isfinite(every)) clip.stored = std::max(clip.stored, std::floor(done / every) * every);
  }

  void fail(int group, std::size_t clip) {
    const int holder = clips_[clip].holder;
    const bool state_lost = holder >= 0 && is_lost(holder);
    group_at(group).running.erase(clip);
    stashes_.free_reserved(clip);
    if (dispatch_.failed(group, clip, Error::transient))
      start_over(clip, !state_lost);
    else
      clips_[clip].given_up = true;
    dispatch_.ask(group);
  }

  void finish(int group, const Assignment& work, const SecondsByStage& seconds) {
    group_at(group).running.erase(work.clip);
    clips_[work.clip].computing_since.reset();
    for (const double each : seconds) clips_[work.clip].passed += each;
    if (work.last == Stage::write) {
      dispatch_.done(group, work.clip, seconds);
      ++clips_[work.clip].finished;
    } else {
      dispatch_.handed_over(group, work.clip, seconds);
      stashes_.stash(work.clip);
      clips_[work.clip].holder = group;
      wait(work.clip, all_stages[static_cast<std::size_t>(work.last) + 1]);
    }
    dispatch_.ask(group);
  }

  void plan_loss() {
    at(now_ + std::exponential_distribution(cluster_.losses_per_second)(random_), -1, [this] {
      if (2 * (losses() + 1) < size()) lose(std::uniform_int_distribution(0, size() - 1)(random_));
      plan_loss();
    });
  }

  void lose(int group) {
    if (std::exchange(group_at(group).lost, true)) return;
    times_of_loss_.push_back(now_);
    for (std::size_t clip = 0; clip < clips_.size(); ++clip) {
      if (clips_[clip].holder != group) continue;
      stashes_.free_stashed(clip);
      if (clips_[clip].waits_at) start_over(clip, false);
    }
    const std::vector<std::size_t> given_up = dispatch_.lost(group);
    for (const std::size_t clip : given_up) clips_[clip].given_up = true;
    for (const std::size_t clip : std::exchange(group_at(group).running, {})) lose_running(clip);
  }

  /// A clip whose group is lost: where another group still keeps its state, it continues from there.
  void lose_running(std::size_t clip) {
    stashes_.free_reserved(clip);
    keep_what_is_stored(clips_[clip]);
    clips_[clip].computing_since.reset();
    if (clips_[clip].given_up) return;
    const int holder = clips_[clip].holder;
    if (holder < 0 || is_lost(holder)) return start_over(clip, true);
    clips_[clip].failed_once = true;
    wait(clip, clips_[clip].leg_began);
  }

  SimulatedCluster cluster_;
  Dispatch dispatch_;
  std::vector<Group> groups_;
  std::vector<Clip> clips_;
  std::vector<std::size_t> shape_of_;
  std::map<std::tuple<std::size_t, int, Stage>, std::set<std::size_t>> lines_;
  StashCount stashes_;
  std::priority_queue<Event> events_;
  std::size_t event_ = 0;
  std::mt19937 random_{7};
  std::vector<double> times_of_loss_;
  double now_ = 0, cpu_ms_ = 0, lost_group_seconds_ = 0;
  int role_changes_ = 0, most_stashed_ = 0;
};

}  // namespace wf
