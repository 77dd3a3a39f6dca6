#include "launcher/run/rank_process.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/error.hpp"
#include "cluster/gpu.hpp"
#include "cluster/launch/leave.hpp"
#include "cluster/launch/start_guard.hpp"
#include "cluster/launch/start_ranks.hpp"
#include "cluster/mpi_transport.hpp"
#include "launcher/options/model_choice.hpp"

namespace wf {
namespace {

/// A launcher of another MPI than the one this program is linked with starts as many worlds of one rank each.
void check_size(int started, int in_world) {
  if (started != in_world)
    throw Error(
        Error::environment,
        fmt::format("{} processes were started, but MPI ({}) has {} of them together: start them with that MPI's "
                    "own mpirun, or with srun --mpi=pmix",
                    started, mpi_library(), in_world));
}

/// The ranks of a node take its GPUs in turn.
at::Device own_device(DeviceChoice choice, const NodePlace& place) {
  const at::Device device = chosen_device(choice);
  const auto gpus = static_cast<int>(cuda_view().gpus.size());
  if (device.is_cpu() || gpus < 2) return device;
  return {at::kCUDA, static_cast<at::DeviceIndex>(place.local_rank % gpus)};
}

}  // namespace

RankProcess::RankProcess(const Rank& rank)
    : by_mpirun(environment().contains("OMPI_COMM_WORLD_SIZE")),  // asked before MPI_Init, which sets it as well
      hosts{this_node().host} {
  if (rank.size > 1) {
    const StartGuard guard;
    world.emplace();
    check_size(rank.size, world->size());
    hosts = world->hosts();
    processes = world->processes();
    place = world->place();
  }
  transport = world ? mpi_transport(*world) : local_transport();
}

/// The process that started the ranks ends those that hang, once rank 0 has left it the run's exit code. Otherwise MPI
/// does; where another rank calls for that, rank 0 gets a moment to leave the code.
void RankProcess::end(int exit_code) {
  using namespace std::chrono_literals;
  const bool is_left = is_exit_code_left(exit_code);
  flush_output();
  const int shown = exit_code == code_of_lost_run ? 1 : exit_code;
  if (world && !is_left && (!by_mpirun || ranks_may_be_lost())) {
    if (world->rank() != 0) std::this_thread::sleep_for(1s);
    world->abort(shown);
  }
  std::_Exit(is_left ? 0 : shown);
}

Execution own_share(RunOptions& options, const NodePlace& place) {
  if (options.threads == 0 && place.local_size > 1) options.threads = std::max(1, this_node().cores / place.local_size);
  const at::Device device = own_device(options.device, place);
  apply_preset(options, device);
  Execution execution = chosen_execution(options);
  execution.device = device;
  return execution;
}

}  // namespace wf
