// launcher/submit/propose_site.hpp: a site file for this cluster, from what Slurm says of it.
#pragma once

#include <string>
#include <vector>

#include "cluster/slurm/cluster_info.hpp"
#include "launcher/submit/site.hpp"

namespace wf {

/// What Slurm said of a cluster.
struct ClusterAnswers {
  std::vector<Partition> partitions;
  std::vector<std::vector<NodeKind>> nodes;  ///< Of each partition.
  std::vector<std::string> mpi_types;
};

/// Asks scontrol, sinfo and srun. Throws Error(environment) when there is no Slurm here, or it does not answer.
ClusterAnswers ask_cluster();

/// The partition with most GPUs, the default one where none has any; what its most frequent nodes with GPUs have; srun
/// where Slurm speaks PMIx, else mpirun. Throws Error(environment) without partitions.
Site propose_site(const ClusterAnswers& answers);

/// The proposal as a file, with what it was made from, and what is left to fill in, as comments.
std::string proposed_file(const ClusterAnswers& answers);

}  // namespace wf
