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

/// Reads OMPI_COMM_WORLD_*, PMIX_RANK, PMI_* and SLURM_PROCID/NTASKS/LOCALID, in this order; the first family present
/// wins. Throws environment when a variable is not a number.
Rank rank_from(const Environment& variables);

Node this_node();

}  // namespace wf
