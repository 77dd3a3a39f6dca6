// launcher/planner/schedule.hpp: how long equal groups take for a list of works, without simulating every clip.
#pragma once

#include <cstdint>
#include <vector>

namespace wf {

/// `count` pieces of work of the same length.
struct Works {
  double seconds = 0;
  std::int64_t count = 0;
};

/// When the last of `groups` is done if each takes the longest piece left as soon as it is free (LPT: at most 4/3 of
/// the best). Never below max(all work / groups, longest piece). Time grows with kinds x groups, not with pieces.
double makespan(std::vector<Works> works, int groups);

double total_seconds(const std::vector<Works>& works);

}  // namespace wf
