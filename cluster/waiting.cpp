#include "parallel/polling.hpp"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <thread>

namespace wf {
namespace {

using Clock = std::chrono::steady_clock;

/// Short answers come at once; after that a core has better things to do than to poll.
void pause(Clock::duration waited) {
  using namespace std::chrono_literals;
  if (waited < 1ms)
    std::this_thread::yield();
  else
    std::this_thread::sleep_for(100us);
}

}  // namespace

std::string name_ranks(const std::set<int>& ranks) {
  return fmt::format("rank{} {}", ranks.size() == 1 ? "" : "s", fmt::join(ranks, ", "));
}

std::optional<std::string> wait_until(const MpiWaiting& waiting, const std::function<bool()>& done,
                                      const std::function<std::set<int>()>& missing) {
  const auto begin = Clock::now();
  while (!done()) {
    const auto waited = Clock::now() - begin;
    const double seconds = std::chrono::duration<double>(waited).count();
    if (waiting.abort && *waiting.abort)
      return fmt::format("was told to stop, {:.1f} s into waiting for {}", seconds, name_ranks(missing()));
    if (waited > waiting.deadline) return fmt::format("waited {:.1f} s in vain for {}", seconds, name_ranks(missing()));
    pause(waited);
  }
  return std::nullopt;
}

}  // namespace wf
