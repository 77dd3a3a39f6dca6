// launcher/submit/site_nodes.hpp: what Slurm adds to the settings of a site: the partition and its nodes.
#pragma once

#include <string>
#include <vector>

#include "cluster/slurm/cluster_info.hpp"
#include "launcher/submit/site.hpp"

namespace wf {

/// The partition that a job of the site goes to; null where Slurm does not answer, which leaves `all` empty. Throws
/// Error(input), naming those there are, when Slurm has no such partition.
const Partition* partition_of(const Site& site, const std::vector<Partition>& all);

/// Fills in GPUs, their kind and cores of a node, from those of the partition's nodes, where the site says nothing of
/// them.
void fill_in_nodes(Site& site, const std::vector<NodeKind>& kinds);

/// What is still not known, as notes for the user. Throws Error(input) when it is not known how many ranks a node has.
std::vector<std::string> what_is_unknown(const Site& site);

}  // namespace wf
