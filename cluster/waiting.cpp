#include "cluster/waiting.hpp"

#include <spdlog/fmt/fmt.h>

#include <thread>

#include "base/watched_work.hpp"

namespace wf {
namespace {

using Clock = std::chrono::steady_clock;

/// Yields during the first millisecond, so that a quick answer is seen at once; sleeps after that to free the core.
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

std::optional<std::string> reason_to_stop(const Waiting& waiting, Clock::duration waited,
                                          const std::function<std::set<int>()>& missing) {
  const double seconds = std::chrono::duration<double>(waited).count();
  if (waiting.abort && *waiting.abort)
    return fmt::format("was told to stop, {:.1f} s into waiting for {}", seconds, name_ranks(missing()));
  if (waited > waiting.deadline) return fmt::format("waited {:.1f} s in vain for {}", seconds, name_ranks(missing()));
  return std::nullopt;
}

std::optional<std::string> wait_until(const Waiting& waiting, const std::function<bool()>& done,
                                      const std::function<std::set<int>()>& missing) {
  const auto begin = Clock::now();
  while (!done()) {
    const auto waited = Clock::now() - begin;
    if (auto reason = reason_to_stop(waiting, waited, missing)) return reason;
    mark_progress();  // who waits for another rank is not the one that hangs, and has a deadline of its own
    pause(waited);
  }
  return std::nullopt;
}

}  // namespace wf
