// launcher/bench/multi_rank.hpp: the measurements that need several ranks: bench comm, and bench forward and vae
// with --ranks.
#pragma once

#include <vector>

#include "cluster/node.hpp"
#include "launcher/bench/session.hpp"

namespace wf {

/// Throws input when the requested parallel degrees, or the size, do not fit `ranks`, which is 2 or more. Needs no MPI.
void check_together(const BenchOptions& options, int ranks);

/// Collective over the ranks that mpirun or srun has started. Returns the results on rank 0 and nothing on the others.
/// An error that ranks agree on is thrown on rank 0 alone. Any other error ends all processes, after its rank has
/// named itself on stderr, because the other ranks may be waiting inside a collective.
std::vector<Result> measure_together(const BenchOptions& options, const Rank& rank);

}  // namespace wf
