#include "jobs/schedule/forecast.hpp"

#include <algorithm>
#include <cmath>

namespace wf {
namespace {

constexpr double newest_weight = 0.05;

/// Updates a geometric average: a plain one at first, then an exponential one. Geometric, so that a group ten times
/// slower than the others does not dominate it. `samples` includes the newest value.
void average(double& value, double newest, int samples) {
  value = samples == 1 ? newest : value * std::pow(newest / value, std::max(1.0 / samples, newest_weight));
}

}  // namespace

std::size_t Forecast::add_shape(const SecondsByStage& predicted, const std::array<Role, all_stages.size()>& roles) {
  for (std::size_t i = 0; i < all_stages.size(); ++i) cells_.push_back({.predicted = predicted[i], .role = roles[i]});
  return cells_.size() / all_stages.size() - 1;
}

void Forecast::add_to_sum(const Cell& cell, Stage stage, long clips) {
  Sum& sum = sums_[static_cast<std::size_t>(cell.role)];
  sum.stages += clips;
  if (cell.samples > 0)
    sum.measured += static_cast<double>(clips) * cell.average;
  else
    sum.predicted[static_cast<std::size_t>(stage)] += static_cast<double>(clips) * cell.predicted;
}

void Forecast::add_clips(std::size_t shape, Stage stage, int clips) {
  Cell& at = cell(shape, stage);
  at.clips += clips;
  add_to_sum(at, stage, clips);
}

void Forecast::add_measurement(std::size_t shape, Stage stage, double seconds) {
  Cell& at = cell(shape, stage);
  add_to_sum(at, stage, -at.clips);
  average(at.average, seconds, ++at.samples);
  add_to_sum(at, stage, at.clips);
  const auto i = static_cast<std::size_t>(stage);
  if (at.predicted > 0) average(factor_[i], seconds / at.predicted, ++samples_[i]);
}

double Forecast::seconds_left(Role role) const {
  const Sum& sum = sums_[static_cast<std::size_t>(role)];
  if (sum.stages == 0) return 0;
  double seconds = sum.measured;
  for (std::size_t i = 0; i < all_stages.size(); ++i) seconds += factor_[i] * sum.predicted[i];
  return std::max(seconds, 0.0);
}

}  // namespace wf
