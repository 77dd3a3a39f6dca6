// cluster/slurm/cluster_info.hpp: partitions and nodes of a cluster, as scontrol and sinfo describe them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wf {

struct Partition {
  std::string name;
  bool is_default = false;
  int nodes = 0;                             ///< That a job may have at most.
  std::optional<std::int64_t> most_seconds;  ///< After which a job is ended; empty: no limit.
};

/// Nodes of one kind in a partition. Nodes with several types of GPU are several kinds.
struct NodeKind {
  int nodes = 0, cpus = 0;
  std::string gpu;  ///< Kind of GPU as the site names it: "h100"; "": none, or not named.
  int gpus = 0;     ///< Of each node.
};

/// The value of NAME=VALUE in a line of `scontrol show --oneliner`; "" when it is not there.
std::string scontrol_value(std::string_view line, std::string_view name);

/// What `scontrol show partition --oneliner` prints.
std::vector<Partition> parse_partitions(const std::string& text);
/// What `sinfo --noheader --format=%D|%c|%G` prints; lines that are no nodes are left out.
std::vector<NodeKind> parse_nodes(const std::string& text);
/// The names that `srun --mpi=list` prints: "pmix", "none".
std::vector<std::string> parse_mpi_types(const std::string& text);

/// Asks Slurm. Empty when it does not answer, which also means that it is not there.
std::vector<Partition> partitions();
std::vector<NodeKind> nodes_of(const std::string& partition);
std::vector<std::string> mpi_types();

/// The partition of that name, the default one for ""; null when there is none.
const Partition* find_partition(const std::vector<Partition>& all, const std::string& name);
/// The kind with most GPUs in all; null when no node has one.
const NodeKind* most_gpus(const std::vector<NodeKind>& kinds);

}  // namespace wf
