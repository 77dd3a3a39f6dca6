// launcher/options/max_failures.hpp: the value of --max-failures.
#pragma once

#include <limits>

namespace wf {

/// How many clips may fail for good before a run is held: a number, or a share of the list's clips.
struct MaxFailures {
  double number = std::numeric_limits<double>::infinity();
  bool percent = false;
};

}  // namespace wf
