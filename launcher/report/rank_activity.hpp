// launcher/report/rank_activity.hpp: what each rank did when, read from the events of a run's journal. Pure.
#pragma once

#include <string>
#include <vector>

#include "jobs/record/event.hpp"

namespace wf {

/// A time in which a rank was in one stage of one clip, or loaded an expert ("load"). Unix times in seconds.
struct Bar {
  int rank = -1;
  std::string stage, clip;
  double begin = 0, end = 0;
  bool operator==(const Bar&) const = default;
};

/// The moment at which a rank was lost.
struct Loss {
  int rank = -1;
  double time = 0;
  std::string why;
};

/// From a start of the run to its last event.
struct RunTime {
  double begin = 0, end = 0;
};

struct RankActivity {
  std::vector<int> ranks;  ///< Those that did something, rising. In groups of several ranks only leaders report.
  std::vector<Bar> bars;   ///< By their ends. A rank's `write` may overlap with other stages: another thread does it.
  std::vector<Loss> losses;
  std::vector<RunTime> runs;  ///< Each start of the run, in their order.
};

/// `events`: of the journal, in their order. `now`: until when stages last that have not ended, if the run is alive;
/// otherwise 0, and they last until the last event of their run. Where the journal has no `at_stage` events of a clip,
/// which are not flushed, its bars are laid out from the seconds that its end tells.
RankActivity rank_activity(const std::vector<Event>& events, double now = 0);

}  // namespace wf
