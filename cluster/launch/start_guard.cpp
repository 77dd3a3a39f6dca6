#include "cluster/launch/start_guard.hpp"

#include <spdlog/fmt/fmt.h>
#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>
#include <string>

#include "base/machine.hpp"
#include "cluster/launch/rank_processes.hpp"
#include "cluster/launch/start_ranks.hpp"

namespace wf {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds look_every{100};
constexpr std::chrono::seconds time_to_be_seen{10};  ///< mpirun starts the ranks of a node within seconds

[[noreturn]] void exit_unstarted(const std::string& why) {
  std::fprintf(stderr, "wanfarm: MPI cannot start: %s\n", why.c_str());
  std::_Exit(ranks_may_be_lost() ? code_of_lost_run : 1);
}

/// How many ranks mpirun has on this node; 0 where the launcher is something else: Slurm, or a script around each rank.
std::size_t ranks_by_mpirun(pid_t launcher) {
  const std::string name = program_of(launcher).filename();
  const char* const size = std::getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
  const bool is_mpirun = name == "orterun" || name == "orted" || name == "prterun" || name == "prte" || name == "prted";
  return is_mpirun && size ? std::strtoul(size, nullptr, 10) : 0;
}

void watch(const std::stop_token& stop, pid_t launcher) {
  const std::size_t expected = ranks_by_mpirun(launcher);
  const Clock::time_point begin = Clock::now();
  std::set<pid_t> ranks;
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any stopped;
  for (; !stop.stop_requested(); stopped.wait_for(lock, stop, look_every, [] { return false; })) {
    ranks.merge(ranks_below(launcher));
    for (const pid_t rank : ranks)
      if (has_ended(rank)) exit_unstarted(fmt::format("another rank of this node has ended (process {})", rank));
    if (ranks.size() < expected && Clock::now() - begin > time_to_be_seen)
      exit_unstarted(fmt::format("of {} ranks on this node {} are missing", expected, expected - ranks.size()));
    if (::getppid() != launcher) exit_unstarted("what started this rank has ended");
  }
}

}  // namespace

StartGuard::StartGuard() : thread_(watch, ::getppid()) {}

}  // namespace wf
