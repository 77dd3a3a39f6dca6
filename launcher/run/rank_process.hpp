// launcher/run/rank_process.hpp: this process as one rank of a run: its MPI world, its transport, its share of the
// node.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/node.hpp"
#include "cluster/transport.hpp"
#include "cluster/world.hpp"
#include "launcher/options/run_options.hpp"
#include "pipeline/execution.hpp"

namespace wf {

/// A process that was started alone is a run of one rank: its transport leads back to itself, and no MPI is started.
/// All other code is the same for one rank and for a thousand, so that what a laptop runs is what a cluster runs.
struct RankProcess {
  /// Collective over the ranks that mpirun or srun started. Throws Error(environment) when they have not become one
  /// world.
  explicit RankProcess(const Rank& rank);

  /// Ends this process at once, with nothing finalized, and makes sure that the other ranks end as well: for when ranks
  /// are lost or hang. (leave_process() lets them go on.)
  [[noreturn]] void end(int exit_code);

  bool by_mpirun = false;      ///< mpirun ends all ranks when one exits with a code, unless it lets ranks be lost
  std::optional<World> world;  ///< empty: the process is alone
  std::unique_ptr<Transport> transport;  ///< destroyed before the world
  std::vector<std::string> hosts;        ///< name of each rank's node, as in World::hosts()
  std::vector<std::string> processes;    ///< of each rank, as in World::processes()
  NodePlace place;
};

/// The device and threads of this rank: chosen_execution() with the cores and GPUs of the node dealt out to its ranks.
/// Sets options.threads, and fills in what options.preset says of this rank's GPU.
Execution own_share(RunOptions& options, const NodePlace& place);

}  // namespace wf
