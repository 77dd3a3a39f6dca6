#include "launcher/submit/propose_site.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cluster/slurm/slurm_time.hpp"
#include "launcher/submit/site_nodes.hpp"

namespace wf {
namespace {

bool speaks_pmix(const std::vector<std::string>& mpi_types) {
  return std::ranges::any_of(mpi_types, [](const std::string& type) { return type.starts_with("pmix"); });
}

int gpus_in(const std::vector<NodeKind>& kinds) {
  const NodeKind* const most = most_gpus(kinds);
  return most ? most->nodes * most->gpus : 0;
}

/// The partition whose nodes have most GPUs; the default one comes first among equals.
std::size_t best_partition(const ClusterAnswers& answers) {
  std::size_t best = 0;
  const auto rank = [&](std::size_t i) {
    return std::pair(gpus_in(answers.nodes[i]), answers.partitions[i].is_default);
  };
  for (std::size_t i = 1; i < answers.partitions.size(); ++i)
    if (rank(i) > rank(best)) best = i;
  return best;
}

std::string line_of(const Partition& partition, const std::vector<NodeKind>& kinds) {
  std::string text = fmt::format(
      "#   {}: {}, {}", partition.name, count_text(static_cast<std::size_t>(partition.nodes), "node"),
      partition.most_seconds ? "at most " + slurm_time_text(*partition.most_seconds) : std::string("no time limit"));
  for (const NodeKind& kind : kinds)
    text += fmt::format("; {} with {} cores, {}", kind.nodes, kind.cpus,
                        kind.gpus > 0 ? fmt::format("{} GPUs {}", kind.gpus, kind.gpu) : std::string("no GPU"));
  while (text.ends_with(' ')) text.pop_back();
  return text + "\n";
}

}  // namespace

ClusterAnswers ask_cluster() {
  ClusterAnswers answers{.partitions = partitions(), .nodes = {}, .mpi_types = mpi_types()};
  if (answers.partitions.empty())
    throw Error(Error::environment,
                "`scontrol show partition` names no partition: run this on a login node of a cluster with Slurm");
  for (const Partition& partition : answers.partitions) answers.nodes.push_back(nodes_of(partition.name));
  return answers;
}

Site propose_site(const ClusterAnswers& answers) {
  if (answers.partitions.empty()) throw Error(Error::environment, "Slurm names no partition");
  const std::size_t best = best_partition(answers);
  Site site{.partition = answers.partitions[best].name};
  site.launcher = speaks_pmix(answers.mpi_types) ? "srun" : "mpirun";
  const std::vector<NodeKind>& kinds = answers.nodes[best];
  if (!kinds.empty() && !most_gpus(kinds)) site.gpu = "cpu";
  fill_in_nodes(site, kinds);
  return site;
}

std::string proposed_file(const ClusterAnswers& answers) {
  std::string comment = "# Settings of this cluster for `wanfarm submit`, proposed by `wanfarm doctor --slurm`.\n";
  comment += "# Its partitions:\n";
  for (std::size_t i = 0; i < answers.partitions.size(); ++i)
    comment += line_of(answers.partitions[i], answers.nodes[i]);
  comment +=
      fmt::format("# srun starts ranks through {}.\n",
                  answers.mpi_types.empty() ? std::string("nothing that it names") : join(answers.mpi_types, ", "));
  const Site site = propose_site(answers);
  std::string text = to_yaml(site, comment);
  if (site.gpu.empty()) text += "# gpu: h100            # the kind of GPU, which Slurm does not name\n";
  return text +
         "# account: project     # where jobs need one\n"
         "# modules: [openmpi]   # those that were loaded when wanfarm was built\n"
         "# scratch: /tmp        # a folder on each node's own disk\n";
}

}  // namespace wf
