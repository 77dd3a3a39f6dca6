// launcher/bench/together.hpp: what several ranks measure together: comm and forward.
#pragma once

#include <vector>

#include "cluster/node.hpp"
#include "launcher/bench/session.hpp"

namespace wf {

/// Throws input where degrees are asked for that do not fit so many ranks: two or more.
void check_together(const BenchOptions& options, int ranks);

/// On every rank that mpirun or srun has started; the results are rank 0's. A mistake that the ranks notice before they
/// wait for each other is thrown on rank 0 alone; any later one ends all processes, and names its rank.
std::vector<Result> measure_together(const BenchOptions& options, const Rank& rank);

}  // namespace wf
