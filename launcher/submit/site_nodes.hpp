// launcher/submit/site_nodes.hpp: what Slurm adds to the settings of a site: the partition and its nodes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/slurm/cluster_info.hpp"
#include "launcher/submit/site.hpp"

namespace wf {

/// The partition that a job of the site goes to; null where Slurm does not answer, which leaves `all` empty. Throws
/// Error(input), naming those there are, when Slurm has no such partition.
const Partition* partition_of(const Site& site, const std::vector<Partition>& all);

/// Fills in GPUs, their kind and memory, and cores of a node, from those of the partition's nodes that have most GPUs
/// (of the site's kind, if it names one), where the site says nothing of them. Returns the type of GPU, as Slurm names
/// it, that a job has to ask for where the partition has several; "" where it has one, or none is of the site's kind.
std::string fill_in_nodes(Site& site, const std::vector<NodeKind>& kinds);

/// What the user should know of a partition with several types of GPU, of which the job asks for `chosen` (what
/// fill_in_nodes() returned); "" where it has one.
std::string types_note(const Site& site, const std::vector<NodeKind>& kinds, const std::string& chosen);

/// The memory that the name of a type states, "nvidia_a100-sxm4-40gb", as the driver counts it (a little less); 0:
/// none.
std::uint64_t memory_of_type(const std::string& type);

/// What is still not known, as notes for the user. Throws Error(input) when it is not known how many ranks a node has.
std::vector<std::string> what_is_unknown(const Site& site);

}  // namespace wf
