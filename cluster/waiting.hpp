// parallel/polling.hpp: how a rank waits for others: it looks again and again, at first without a pause, and gives up
// in time.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>

#include "parallel/mpi_communicator.hpp"

namespace wf {

/// "rank 2", "ranks 1, 3".
std::string name_ranks(const std::set<int>& ranks);

/// Returns once done() is true, with nothing; or past the deadline or told to stop, with why: "waited 1.0 s in vain for
/// rank 2". missing(): the ranks in MPI_COMM_WORLD that are still waited for.
std::optional<std::string> wait_until(const MpiWaiting& waiting, const std::function<bool()>& done,
                                      const std::function<std::set<int>()>& missing);

}  // namespace wf
