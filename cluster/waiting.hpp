// cluster/waiting.hpp: how a rank waits for other ranks. It polls, at first without a pause, and gives up at a
// deadline: a rank that blocked inside MPI or NCCL would keep a core busy and could not be stopped.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>

namespace wf {

/// How calls wait for other ranks. Both flags must outlive the communicators and transports that use them.
struct Waiting {
  std::chrono::milliseconds deadline = std::chrono::minutes(10);  ///< longest wait of one call
  const std::atomic<bool>* abort = nullptr;  ///< once a thread sets it, every wait ends as it does at the deadline
  std::atomic<bool>* failed = nullptr;       ///< set when a call has failed; null when nobody needs to know
};

/// "rank 2", or "ranks 1, 3".
std::string name_ranks(const std::set<int>& ranks);

/// Why a wait that has taken `waited` has to end, for an error message: "waited 1.0 s in vain for rank 2". Empty while
/// it may go on. missing() returns the missing ranks, by their rank in MPI_COMM_WORLD; it is called only when the wait
/// ends.
std::optional<std::string> reason_to_stop(const Waiting& waiting, std::chrono::steady_clock::duration waited,
                                          const std::function<std::set<int>()>& missing);

/// Polls done() until it returns true; then returns nothing. Returns reason_to_stop() if the wait has to end before.
std::optional<std::string> wait_until(const Waiting& waiting, const std::function<bool()>& done,
                                      const std::function<std::set<int>()>& missing);

}  // namespace wf
