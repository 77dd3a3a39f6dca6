// launcher/forecast.hpp: how long stages take, predicted and then measured, and how much work each role has left.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "launcher/route.hpp"
#include "pipeline/stage.hpp"

namespace wf {

/// Seconds by stage; 0: not passed, or not from its start to its end.
using SecondsByStage = std::array<double, all_stages.size()>;

/// Predictions for some shapes, corrected by what is measured: by an exponential average for each shape and stage;
/// where nothing was measured yet, by how wrong the predictions of that stage were for other shapes. All calls take
/// O(1).
class Forecast {
 public:
  /// One shape: predicted seconds, and the role that each stage is done in. Returns its number.
  std::size_t add_shape(const SecondsByStage& predicted, const std::array<Role, all_stages.size()>& roles);
  /// `clips` more (or fewer, below 0) clips of that shape have to go through the stage.
  void add_left(std::size_t shape, Stage stage, int clips);
  void measured(std::size_t shape, Stage stage, double seconds);
  double seconds(std::size_t shape, Stage stage) const;  ///< of one clip, as known now
  double left(Role role) const;                          ///< seconds of work not begun, over all shapes

 private:
  struct Cell {
    double predicted = 0, average = 0;
    int samples = 0;
    long left = 0;
    Role role = Role::resident;
  };
  struct Sum {
    long stages = 0;                                       ///< counted, since sums of seconds never come back to 0
    double measured = 0;                                   ///< seconds, of what has an average
    std::array<double, all_stages.size()> predicted = {};  ///< seconds as predicted, of the rest
  };
  void count(const Cell& cell, Stage stage, long clips);
  Cell& cell(std::size_t shape, Stage stage) {
    return cells_[shape * all_stages.size() + static_cast<std::size_t>(stage)];
  }

  std::vector<Cell> cells_;
  std::array<Sum, 3> sums_;                                         ///< by role
  std::array<double, all_stages.size()> factor_ = {1, 1, 1, 1, 1};  ///< measured / predicted
  std::array<int, all_stages.size()> samples_ = {};
};

}  // namespace wf
