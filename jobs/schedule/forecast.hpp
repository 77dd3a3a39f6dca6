// jobs/schedule/forecast.hpp: how long stages take, first predicted and then measured, and how much work each role has
// left.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "jobs/schedule/route.hpp"
#include "jobs/schedule/stage.hpp"

namespace wf {

/// Seconds that a clip takes in each stage. Where measured, 0 means that the stage was not passed, or not as a whole.
using SecondsByStage = std::array<double, all_stages.size()>;

/// Predicted seconds for each shape and stage, corrected by measured ones. What was measured enters an exponential
/// average per shape and stage. A stage of a shape that was not measured yet is predicted, times the average ratio of
/// measured to predicted seconds of that stage in other shapes. All calls take O(1). Not thread-safe.
class Forecast {
 public:
  /// Adds a shape, with the role in which each of its stages is done, and returns its number.
  std::size_t add_shape(const SecondsByStage& predicted, const std::array<Role, all_stages.size()>& roles);
  /// Counts `clips` more clips of the shape (fewer if negative) that have yet to begin the stage.
  void add_clips(std::size_t shape, Stage stage, int clips);
  /// Takes the seconds (> 0) of one clip into account.
  void add_measurement(std::size_t shape, Stage stage, double seconds);

  /// Expected seconds of all work of this role that has not begun.
  double seconds_left(Role role) const;

 private:
  struct Cell {  ///< One stage of one shape.
    double predicted = 0, average = 0;
    int samples = 0;
    long clips = 0;  ///< Clips that have yet to begin the stage.
    Role role = Role::resident;
  };
  struct Sum {                                             ///< Work of one role that has not begun.
    long stages = 0;                                       ///< Counted, because sums of seconds do not return to 0.
    double measured = 0;                                   ///< Seconds of the stages that have an average.
    std::array<double, all_stages.size()> predicted = {};  ///< Predicted seconds of all others, before correction.
  };
  void add_to_sum(const Cell& cell, Stage stage, long clips);
  Cell& cell(std::size_t shape, Stage stage) {
    return cells_[shape * all_stages.size() + static_cast<std::size_t>(stage)];
  }

  std::vector<Cell> cells_;
  std::array<Sum, 3> sums_;                                         ///< By role.
  std::array<double, all_stages.size()> factor_ = {1, 1, 1, 1, 1};  ///< Average ratio of measured to predicted.
  std::array<int, all_stages.size()> samples_ = {};
};

}  // namespace wf
