// launcher/run/remaining_time.hpp: how long a run still takes: at first as the planner predicts, and then corrected by
// what steps and stages are seen to take. It has no clock: callers say what time it is.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "jobs/job.hpp"
#include "jobs/schedule/dispatch.hpp"
#include "launcher/run/messages.hpp"

namespace wf {

/// The planner's seconds for every clip: the same prediction that orders the queue and balances the pools.
class PredictedWork {
 public:
  /// branches: guidance branches with ranks of their own, 1 or 2, in the groups that compute clips.
  PredictedWork(const std::vector<Job>& jobs, const Predicted& predicted, int branches = 1);

  /// The number of the clip's shape: the first job of that shape.
  std::size_t shape(std::size_t job) const { return shapes_[job]; }
  /// Seconds of each stage of the clip.
  const SecondsByStage& whole(std::size_t job) const { return seconds_[shapes_[job]]; }
  /// Seconds of each stage that are left when a rank has come this far. All forwards count as equally long, and those
  /// that are saved as taking no time.
  SecondsByStage left(std::size_t job, const Activity& activity) const;
  /// Seconds of the step that the rank is computing, 0 where it computes no forward, or of the whole stage if that has
  /// no steps.
  double unit(std::size_t job, const Activity& activity) const;
  /// Seconds from one step of a clip to another, or of the stage that a rank has left.
  double between(std::size_t job, const Activity& from, const Activity& to) const;
  /// Seconds of the longest step of the stage, or of the whole stage if that has no steps.
  double longest_unit(std::size_t job, Stage stage) const;

 private:
  /// How many forwards follow one another in a clip's steps. There are none in a stage without predicted seconds, which
  /// is the second half of a draft.
  struct Forwards {
    std::int64_t high_steps = 0;
    std::vector<double> before = {0};  ///< In all steps before each one; the last number is that of all steps.

    Forwards() = default;
    Forwards(const Job& job, const SecondsByStage& seconds, int branches);
    double until(std::int64_t step) const;
    double longest_step(Stage stage) const;
  };
  const Forwards& forwards(std::size_t job) const { return forwards_[shapes_[job]]; }
  double seconds_of(std::size_t job, double forwards) const;

  std::vector<std::size_t> shapes_;      ///< Of each job the first job of its shape.
  std::vector<SecondsByStage> seconds_;  ///< By the first job of a shape.
  std::vector<Forwards> forwards_;       ///< By the first job of a shape.
};

/// How many times as long as predicted something takes: the geometric mean of what was measured, so that one slow start
/// does not dominate it. Old measurements fade.
class Pace {
 public:
  /// Steps or stages (`units` of them, > 0) took `seconds` and were predicted to take `predicted` seconds, both > 0.
  void add(double seconds, double predicted, double units);
  /// The mean, in which what was `expected` without any measurement counts as two of them.
  double factor(double expected) const;
  /// The standard error of the logarithm of factor(), where no measurement at all counts as two that differ a lot.
  double error() const;

 private:
  double mean_ = 0;      ///< Of the logarithms of the ratios.
  double variance_ = 0;  ///< Of the same.
  double units_ = 0;     ///< Measurements in the mean.
};

/// The time left of one run. Not thread-safe.
class RemainingTime {
 public:
  /// groups: how many clips are computed at the same time, at least 1. branches: as of PredictedWork.
  RemainingTime(const std::vector<Job>& jobs, const Predicted& predicted, std::size_t groups, int branches = 1);

  // Clips are indices into the jobs.
  /// The clip, which has not begun, is no work: it is there already, or becomes a copy of another.
  void no_work(std::size_t job);
  void again(std::size_t job);  ///< The clip had ended, and is to be rendered after all.
  void groups_left(int groups) { groups_ = std::max(1, groups); }  ///< So many clips are computed from now on.
  void end(std::size_t job);  ///< The clip is done, found finished, or has failed for good.
  /// What each rank is doing `now`, in seconds of any clock that never goes back. To be called whenever that may have
  /// changed; costs O(ranks).
  void observe(const std::vector<Activity>& ranks, double now);

  std::size_t ended() const { return ended_; }  ///< Clips that have ended.
  /// The part of the predicted seconds that is done, 0..1.
  double share() const;
  /// Seconds until the last clip ends, or a negative number when nothing was predicted. The step or stage that a rank
  /// is in counts as done in proportion to its time so far. No shorter than the longest clip that is left.
  double seconds_left(double now) const;
  /// The factor by which seconds_left() may well be wrong, in both directions; more than 1.
  double uncertainty() const;

 private:
  struct UnderWay {  ///< A clip that has begun and not ended.
    Activity activity;
    double since = 0;      ///< When it came to this step or stage.
    bool computed = true;  ///< False while it waits for another group.
  };
  void take_out(std::size_t job);
  void arrive(const Activity& activity, double now);
  void leave(const Activity& activity, double now);
  void measure(std::size_t job, const UnderWay& from, const Activity& to, double now);
  double factor(Stage stage) const;
  double paced(const SecondsByStage& predicted) const;

  PredictedWork work_;
  double groups_;
  std::unordered_map<std::string, std::size_t> job_of_name_;
  std::vector<bool> taken_out_;  ///< Whether the clip has ended or is no work.
  std::size_t ended_ = 0;
  SecondsByStage left_ = {};  ///< Predicted seconds of all clips that are not taken out, each as a whole.
  double total_ = 0;          ///< Predicted seconds of all clips but those that are no work.
  std::map<std::size_t, std::size_t> untouched_;  ///< Shape -> clips that have not begun.
  std::map<std::size_t, UnderWay> under_way_;     ///< By clip.
  std::vector<Activity> seen_;                    ///< Of each rank, when it was observed last.
  std::array<Pace, all_stages.size()> paces_;
  Pace overall_;  ///< Of all stages: what a stage is expected to have.
};

}  // namespace wf
