#include "launcher/run/remaining_time.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "jobs/schedule/clip_shape.hpp"
#include "jobs/schedule/step_forwards.hpp"
#include "pipeline/stages/solver.hpp"

namespace wf {
namespace {

constexpr double expectation_counts_as = 2;  ///< measurements
constexpr double fades_after = 100;          ///< measurements
constexpr double expected_variance = 0.25;   ///< of the logarithm of what a step takes, over its prediction
constexpr double least_error = 0.02;         ///< of the logarithm of the time left, however steady the pace is
constexpr double most = 100;                 ///< A ratio above this, or below its inverse, counts as this.

std::size_t index(Stage stage) { return static_cast<std::size_t>(stage); }

bool has_steps(Stage stage) { return stage == Stage::high || stage == Stage::low; }

double sum(const SecondsByStage& seconds) { return std::accumulate(seconds.begin(), seconds.end(), 0.0); }

double denoising(const SecondsByStage& seconds) { return seconds[index(Stage::high)] + seconds[index(Stage::low)]; }

/// Whether `to` is behind `from` in the course of a clip.
bool is_before(const Activity& to, const Activity& from) {
  if (has_steps(to.stage) && has_steps(from.stage)) return to.step < from.step;
  return to.stage < from.stage;
}

/// The step at which a clip is that has left `from`, a step, for `to`.
std::int64_t step_after(const Activity& from, const Activity& to) {
  return std::max(has_steps(to.stage) ? to.step : from.steps, from.step);
}

/// The steps or stages that a clip has passed on its way; 0 if that cannot be told.
double units_between(const Activity& from, const Activity& to) {
  if (!has_steps(from.stage)) return to.stage > from.stage ? 1 : 0;
  return static_cast<double>(step_after(from, to) - from.step);
}

}  // namespace

PredictedWork::PredictedWork(const std::vector<Job>& jobs, const Predicted& predicted, int branches)
    : shapes_(shape_groups(jobs)), seconds_(jobs.size()), forwards_(jobs.size()) {
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (shapes_[i] != i) continue;
    for (const Stage stage : all_stages) seconds_[i][index(stage)] = predicted(jobs[i], stage);
    forwards_[i] = Forwards(jobs[i], seconds_[i], branches);
  }
}

PredictedWork::Forwards::Forwards(const Job& job, const SecondsByStage& seconds, int branches)
    : high_steps(high_noise_steps(job)) {
  std::int64_t step = 0;
  for (const StepForwards& forwards : forwards_by_step(job, high_steps)) {
    const Stage stage = step++ < high_steps ? Stage::high : Stage::low;
    before.push_back(before.back() + (seconds[index(stage)] > 0 ? forwards.in_a_row(branches) : 0));
  }
}

double PredictedWork::Forwards::until(std::int64_t step) const {
  return before[std::min(static_cast<std::size_t>(step), before.size() - 1)];
}

double PredictedWork::Forwards::longest_step(Stage stage) const {
  double longest = 0;
  const std::int64_t steps = std::ssize(before) - 1;
  const std::int64_t first = stage == Stage::high ? 0 : high_steps, end = stage == Stage::high ? high_steps : steps;
  for (std::int64_t step = first; step < end; ++step) longest = std::max(longest, until(step + 1) - until(step));
  return longest;
}

/// Seconds that so many of the clip's forwards take.
double PredictedWork::seconds_of(std::size_t job, double some) const {
  const double all = forwards(job).before.back();
  return all > 0 ? denoising(whole(job)) * some / all : 0;
}

SecondsByStage PredictedWork::left(std::size_t job, const Activity& activity) const {
  SecondsByStage left = whole(job);
  if (has_steps(activity.stage)) {
    const double steps = denoising(left) - seconds_of(job, forwards(job).until(activity.step));
    left[index(Stage::low)] = std::min(left[index(Stage::low)], steps);
    left[index(Stage::high)] = steps - left[index(Stage::low)];
  }
  for (const Stage stage : all_stages)
    if (stage < activity.stage && !(has_steps(stage) && has_steps(activity.stage))) left[index(stage)] = 0;
  return left;
}

double PredictedWork::unit(std::size_t job, const Activity& activity) const {
  if (!has_steps(activity.stage)) return whole(job)[index(activity.stage)];
  return seconds_of(job, forwards(job).until(activity.step + 1) - forwards(job).until(activity.step));
}

double PredictedWork::between(std::size_t job, const Activity& from, const Activity& to) const {
  if (!has_steps(from.stage)) return units_between(from, to) * unit(job, from);
  return seconds_of(job, forwards(job).until(step_after(from, to)) - forwards(job).until(from.step));
}

double PredictedWork::longest_unit(std::size_t job, Stage stage) const {
  if (!has_steps(stage)) return whole(job)[index(stage)];
  return seconds_of(job, forwards(job).longest_step(stage));
}

void Pace::add(double seconds, double predicted, double units) {
  const double ratio = std::clamp(seconds / predicted, 1 / most, most);
  units_ = std::min(units_ + units, fades_after);
  const double share = std::min(units / units_, 1.0), deviation = std::log(ratio) - mean_;
  mean_ += share * deviation;
  variance_ = (1 - share) * (variance_ + share * deviation * deviation);
}

double Pace::error() const {
  const double counts = expectation_counts_as + units_;
  return std::sqrt((expectation_counts_as * expected_variance + units_ * variance_) / counts / counts);
}

double Pace::factor(double expected) const {
  return std::exp((expectation_counts_as * std::log(expected) + units_ * mean_) / (expectation_counts_as + units_));
}

RemainingTime::RemainingTime(const std::vector<Job>& jobs, const Predicted& predicted, std::size_t groups, int branches)
    : work_(jobs, predicted, branches), groups_(static_cast<double>(groups)), taken_out_(jobs.size()) {
  for (std::size_t job = 0; job < jobs.size(); ++job) {
    job_of_name_[jobs[job].name] = job;
    ++untouched_[work_.shape(job)];
    for (const Stage stage : all_stages) left_[index(stage)] += work_.whole(job)[index(stage)];
    total_ += sum(work_.whole(job));
  }
}

void RemainingTime::take_out(std::size_t job) {
  if (taken_out_[job]) return;
  if (under_way_.erase(job) == 0 && --untouched_[work_.shape(job)] == 0) untouched_.erase(work_.shape(job));
  for (const Stage stage : all_stages) left_[index(stage)] -= work_.whole(job)[index(stage)];
  taken_out_[job] = true;
}

void RemainingTime::no_work(std::size_t job) {
  if (!taken_out_[job]) total_ -= sum(work_.whole(job));
  take_out(job);
}

void RemainingTime::again(std::size_t job) {
  if (!taken_out_[job]) return;
  taken_out_[job] = false;
  --ended_;
  ++untouched_[work_.shape(job)];
  for (const Stage stage : all_stages) left_[index(stage)] += work_.whole(job)[index(stage)];
}

void RemainingTime::end(std::size_t job) {
  take_out(job);
  ++ended_;
}

/// Looks only at the ranks whose activity has changed. A rank that waits for the leader of its group still shows what
/// it did last, although the leader has gone on with the clip.
void RemainingTime::observe(const std::vector<Activity>& ranks, double now) {
  seen_.resize(ranks.size());
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    const Activity& is = ranks[rank];
    if (is == seen_[rank]) continue;
    const Activity was = std::exchange(seen_[rank], is);
    if (was.clip != is.clip) leave(was, now);
    arrive(is, now);
  }
}

void RemainingTime::arrive(const Activity& activity, double now) {
  const auto job = job_of_name_.find(activity.clip);
  if (job == job_of_name_.end() || taken_out_[job->second]) return;
  const auto [entry, begun] = under_way_.try_emplace(job->second, UnderWay{activity, now});
  if (begun) {
    if (--untouched_[work_.shape(job->second)] == 0) untouched_.erase(work_.shape(job->second));
    return;
  }
  UnderWay& clip = entry->second;
  const bool late = clip.activity.step - activity.step == 1 && has_steps(activity.stage);  // of another rank
  if (clip.computed && is_before(activity, clip.activity) && late) return;
  if (clip.computed) measure(job->second, clip, activity, now);
  if (!clip.computed || activity != clip.activity) clip = {activity, now};
}

/// A rank has left the clip. After decoding the clip is being written in the background.
void RemainingTime::leave(const Activity& activity, double now) {
  const auto job = job_of_name_.find(activity.clip);
  const auto entry = job == job_of_name_.end() ? under_way_.end() : under_way_.find(job->second);
  if (entry == under_way_.end() || entry->second.activity != activity) return;
  if (activity.stage == Stage::decode)
    arrive({activity.clip, Stage::write}, now);
  else
    entry->second.computed = false;
}

void RemainingTime::measure(std::size_t job, const UnderWay& from, const Activity& to, double now) {
  const double units = units_between(from.activity, to), predicted = work_.between(job, from.activity, to);
  if (predicted <= 0 || now <= from.since) return;
  paces_[index(from.activity.stage)].add(now - from.since, predicted, units);
  overall_.add(now - from.since, predicted, units);
}

double RemainingTime::factor(Stage stage) const { return paces_[index(stage)].factor(overall_.factor(1)); }

double RemainingTime::paced(const SecondsByStage& predicted) const {
  double seconds = 0;
  for (const Stage stage : all_stages) seconds += factor(stage) * predicted[index(stage)];
  return seconds;
}

double RemainingTime::share() const {
  if (ended_ == taken_out_.size()) return 1;
  if (total_ <= 0) return 0;
  double left = sum(left_);
  for (const auto& [job, clip] : under_way_) left -= sum(work_.whole(job)) - sum(work_.left(job, clip.activity));
  return std::clamp(1 - left / total_, 0.0, 1.0);
}

double RemainingTime::uncertainty() const { return std::exp(std::max(least_error, 2 * overall_.error())); }

double RemainingTime::seconds_left(double now) const {
  if (ended_ == taken_out_.size()) return 0;
  if (total_ <= 0) return -1;
  double work = paced(left_), longest = 0;
  for (const auto& [job, clip] : under_way_) {
    const double unit = factor(clip.activity.stage) * work_.unit(job, clip.activity);
    const double left = paced(work_.left(job, clip.activity)) - (clip.computed ? std::min(now - clip.since, unit) : 0);
    work -= paced(work_.whole(job)) - left;
    longest = std::max(longest, left);
  }
  for (const auto& [shape, clips] : untouched_) longest = std::max(longest, paced(work_.whole(shape)));
  return std::max(work / groups_, longest);
}

}  // namespace wf
