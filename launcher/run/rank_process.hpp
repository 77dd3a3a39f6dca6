// launcher/process.hpp: this process among those of a run: their MPI, its mail, and its share of the machine.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/node.hpp"
#include "launcher/flags.hpp"
#include "parallel/mail.hpp"
#include "parallel/world.hpp"
#include "pipeline/execution.hpp"

namespace wf {

/// Alone, it needs no MPI, and starts none.
struct Process {
  /// Collective over the ranks that mpirun or srun started. Throws environment when they have not become one world.
  explicit Process(const Rank& rank);

  /// Leaves at once, with nothing finalized, when ranks are lost or hang, and takes care that the others end as well.
  [[noreturn]] void end(int exit_code);

  bool by_mpirun = false;  ///< which ends all ranks when one has left with a code; srun need not
  std::optional<World> world;
  std::unique_ptr<Mail> mail;      ///< goes before the world does
  std::vector<std::string> hosts;  ///< the machine of each rank
  NodePlace place;
};

/// The cores and the GPUs of a machine are dealt out to its ranks: what chosen_execution() says, on this rank's own
/// GPU. Settles options.threads.
Execution own_share(RunOptions& options, const NodePlace& place);

}  // namespace wf
