// cluster/node.hpp: the node that this process runs on, and the process's rank as mpirun or srun set it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace wf {

/// Environment variables by name.
using Environment = std::map<std::string, std::string>;

/// The rank of this process in the job that mpirun or srun started. A process started alone is rank 0 of 1.
struct Rank {
  int rank = 0;
  int size = 1;
  int local_rank = 0;  ///< index among the ranks of this node
};

struct Node {
  std::string host;
  int cores = 1;                   ///< cores that this process may use (its affinity mask)
  std::uint64_t memory_bytes = 0;  ///< memory of the node, or what its container or job may take of it
  std::uint64_t free_bytes = 0;    ///< of it, what nobody has taken or the kernel would give back; 0: unknown
};

/// The environment variables of this process.
Environment environment();
/// The value of a variable; "" when it is not set.
std::string value_of(const Environment& variables, const std::string& name);
/// The text with $NAME and ${NAME} replaced by the values of these variables. Throws Error(input) that names a variable
/// without a value.
std::string with_variables(const std::string& text, const Environment& variables);

/// Reads OMPI_COMM_WORLD_*, PMI_*, and in a Slurm step SLURM_PROCID, SLURM_STEP_NUM_TASKS and SLURM_LOCALID, in this
/// order; the first family that has both rank and size wins. SLURM_NTASKS is not read: a batch script has it, and
/// SLURM_PROCID 0, before srun has started any task. Throws Error(environment) when a variable is not a number.
Rank rank_from(const Environment& variables);

/// The node that this process runs on.
Node this_node();

}  // namespace wf
