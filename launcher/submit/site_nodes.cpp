#include "launcher/submit/site_nodes.hpp"

#include <spdlog/fmt/fmt.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "launcher/planner/hardware.hpp"

namespace wf {

const Partition* partition_of(const Site& site, const std::vector<Partition>& all) {
  const Partition* const found = find_partition(all, site.partition);
  if (found || all.empty() || site.partition.empty()) return found;
  std::vector<std::string> names;
  for (const Partition& partition : all) names.push_back(partition.name);
  throw Error(Error::input, fmt::format("Slurm has no partition '{}'; it has {}", site.partition, join(names, ", ")));
}

void fill_in_nodes(Site& site, const std::vector<NodeKind>& kinds) {
  if (const NodeKind* const most = most_gpus(kinds); most && site.gpu != "cpu") {
    if (site.gpus_per_node == 0) site.gpus_per_node = most->gpus;
    if (site.gpu.empty() && !most->gpu.empty()) site.gpu = kind_of_device(most->gpu);
    if (site.cpus_per_node == 0) site.cpus_per_node = most->cpus;
  } else if (!kinds.empty() && site.cpus_per_node == 0) {
    site.cpus_per_node = kinds.front().cpus;
  }
  if (site.gpu == "cpu" && site.gpus_per_node == 0) site.gpus_per_node = 1;
}

std::vector<std::string> what_is_unknown(const Site& site) {
  if (site.gpus_per_node == 0)
    throw Error(Error::input,
                "how many GPUs a node has is not known: give --gpus-per-node N, or gpus_per_node in the site file "
                "(`wanfarm doctor --slurm` proposes one); --gpu cpu for nodes without");
  std::vector<std::string> notes;
  if (site.gpu.empty())
    notes.emplace_back("the kind of GPU is not known, and times are those of an h200 (--gpu, or gpu in the site file)");
  if (site.cpus_per_node == 0)
    notes.emplace_back("cores of a node are not known (cpus_per_node in the site file): each rank gets one");
  return notes;
}

}  // namespace wf
