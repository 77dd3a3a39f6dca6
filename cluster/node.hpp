// cluster/node.hpp: what this process runs on: host, cores, memory, and its place among the processes of a launcher.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace wf {

using Environment = std::map<std::string, std::string>;

/// Where this process stands in the world that mpirun or srun started; a process started alone is rank 0 of 1.
struct Rank {
  int rank = 0;
  int size = 1;
  int local_rank = 0;  ///< among the ranks of this node
};

struct Node {
  std::string host;
  int cores = 1;                   ///< that this process may use (its affinity mask)
  std::uint64_t memory_bytes = 0;  ///< physical memory of the node
};

/// The variables of this process.
Environment environment();

/// Reads OMPI_COMM_WORLD_*, PMI_*, and of a Slurm step SLURM_PROCID, SLURM_STEP_NUM_TASKS and SLURM_LOCALID, in this
/// order; the first family with rank and size wins. (In a batch script SLURM_PROCID is 0 and SLURM_NTASKS what the job
/// asked for, though srun has started nothing yet; SLURM_STEP_* are a step's alone.) Throws environment when a variable
/// is not a number.
Rank rank_from(const Environment& variables);

Node this_node();

}  // namespace wf
