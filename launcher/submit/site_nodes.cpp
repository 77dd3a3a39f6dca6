#include "launcher/submit/site_nodes.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/error.hpp"
#include "base/text.hpp"
#include "launcher/planner/hardware.hpp"

namespace wf {
namespace {

/// The types of GPU, each once.
std::vector<std::string> types_of(const std::vector<NodeKind>& kinds) {
  std::vector<std::string> types;
  for (const NodeKind& kind : kinds)
    if (kind.gpus > 0 && !kind.gpu.empty() && std::ranges::find(types, kind.gpu) == types.end())
      types.push_back(kind.gpu);
  return types;
}

/// The nodes whose GPUs are of the kind that the site names; all where it names none.
std::vector<NodeKind> of_the_sites_kind(const Site& site, std::vector<NodeKind> kinds) {
  if (!site.gpu.empty())
    std::erase_if(kinds,
                  [&](const NodeKind& kind) { return kind.gpu.empty() || kind_of_device(kind.gpu) != site.gpu; });
  return kinds;
}

/// The memory that a type states, where it is not about that of its kind; else 0.
std::uint64_t unusual_memory(const std::string& kind, const std::string& type) {
  const std::uint64_t stated = memory_of_type(type);
  if (stated == 0 || kind.empty()) return 0;
  const std::uint64_t usual = gpu_figures(kind).memory_bytes;
  return std::max(stated, usual) - std::min(stated, usual) < usual / 10 ? 0 : stated;
}

}  // namespace

const Partition* partition_of(const Site& site, const std::vector<Partition>& all) {
  const Partition* const found = find_partition(all, site.partition);
  if (found || all.empty() || site.partition.empty()) return found;
  std::vector<std::string> names;
  for (const Partition& partition : all) names.push_back(partition.name);
  throw Error(Error::input, fmt::format("Slurm has no partition '{}'; it has {}", site.partition, join(names, ", ")));
}

std::string fill_in_nodes(Site& site, const std::vector<NodeKind>& kinds) {
  const std::vector<NodeKind> suitable = of_the_sites_kind(site, kinds);
  std::string type;
  if (const NodeKind* const most = most_gpus(suitable.empty() ? kinds : suitable); most && site.gpu != "cpu") {
    if (types_of(kinds).size() > 1 && !suitable.empty()) type = most->gpu;
    if (site.gpus_per_node == 0) site.gpus_per_node = most->gpus;
    if (site.gpu.empty() && !most->gpu.empty()) site.gpu = kind_of_device(most->gpu);
    if (site.cpus_per_node == 0) site.cpus_per_node = most->cpus;
    if (site.gpu_memory == 0 && !suitable.empty()) site.gpu_memory = unusual_memory(site.gpu, most->gpu);
  } else if (!kinds.empty() && site.cpus_per_node == 0) {
    site.cpus_per_node = kinds.front().cpus;
  }
  if (site.gpu == "cpu" && site.gpus_per_node == 0) site.gpus_per_node = 1;
  return type;
}

std::string types_note(const Site& site, const std::vector<NodeKind>& kinds, const std::string& chosen) {
  const std::vector<std::string> types = types_of(kinds);
  if (site.gpu == "cpu" || types.size() < 2) return "";
  const std::string several = "the partition has GPUs of several types (" + join(types, ", ") + "): ";
  if (!chosen.empty()) return several + "the job asks for " + chosen + " (--gpu takes another kind)";
  return fmt::format(
      "{}none is named like {}, so the job may get any; sbatch: [--gpus-per-node=TYPE:{}] in the site "
      "file names one",
      several, site.gpu, site.gpus_per_node);
}

std::uint64_t memory_of_type(const std::string& type) {
  std::string name;
  for (const char c : type) name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const std::size_t unit = name.rfind("gb");
  if (unit == name.npos || unit == 0) return 0;
  const std::size_t before = name.find_last_not_of("0123456789", unit - 1),
                    begin = before == name.npos ? 0 : before + 1;
  int gigabytes = 0;
  std::from_chars(name.data() + begin, name.data() + unit, gigabytes);
  constexpr double counted = 0.98;  // 40 GB are 39.6 GiB, as the driver counts them, and 141 GB 139.8
  return static_cast<std::uint64_t>(gigabytes * counted) << 30;
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
