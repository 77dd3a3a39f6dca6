#include "launcher/forecast.hpp"

#include <algorithm>
#include <cmath>

namespace wf {
namespace {

constexpr double newest_weight = 0.05;

/// A plain average at first, then an exponential one; of logarithms, so that a group ten times slower than the others
/// does not swing it. `samples` includes this value.
void average(double& value, double newest, int samples) {
  value = samples == 1 ? newest : value * std::pow(newest / value, std::max(1.0 / samples, newest_weight));
}

}  // namespace

std::size_t Forecast::add_shape(const SecondsByStage& predicted, const std::array<Role, all_stages.size()>& roles) {
  for (std::size_t i = 0; i < all_stages.size(); ++i) cells_.push_back({.predicted = predicted[i], .role = roles[i]});
  return cells_.size() / all_stages.size() - 1;
}

void Forecast::count(const Cell& cell, Stage stage, long clips) {
  Sum& sum = sums_[static_cast<std::size_t>(cell.role)];
  sum.stages += clips;
  if (cell.samples > 0)
    sum.measured += static_cast<double>(clips) * cell.average;
  else
    sum.predicted[static_cast<std::size_t>(stage)] += static_cast<double>(clips) * cell.predicted;
}

void Forecast::add_left(std::size_t shape, Stage stage, int clips) {
  Cell& at = cell(shape, stage);
  at.left += clips;
  count(at, stage, clips);
}

void Forecast::measured(std::size_t shape, Stage stage, double seconds) {
  Cell& at = cell(shape, stage);
  count(at, stage, -at.left);
  average(at.average, seconds, ++at.samples);
  count(at, stage, at.left);
  const auto i = static_cast<std::size_t>(stage);
  if (at.predicted > 0) average(factor_[i], seconds / at.predicted, ++samples_[i]);
}

double Forecast::seconds(std::size_t shape, Stage stage) const {
  const auto i = static_cast<std::size_t>(stage);
  const Cell& at = cells_[shape * all_stages.size() + i];
  return at.samples > 0 ? at.average : at.predicted * factor_[i];
}

double Forecast::left(Role role) const {
  const Sum& sum = sums_[static_cast<std::size_t>(role)];
  if (sum.stages == 0) return 0;
  double seconds = sum.measured;
  for (std::size_t i = 0; i < all_stages.size(); ++i) seconds += factor_[i] * sum.predicted[i];
  return std::max(seconds, 0.0);
}

}  // namespace wf
