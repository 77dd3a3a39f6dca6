// launcher/doctor/limit_findings.cpp: those functions of rank_findings.hpp that are about nodes rather than ranks.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <map>

#include "base/text.hpp"
#include "launcher/doctor/rank_findings.hpp"
#include "parallel/device.hpp"

namespace wf {
namespace {

constexpr std::uint64_t MiB = 1 << 20;
constexpr std::uint64_t enough_locked = 1024 * MiB, enough_shared = 512 * MiB;

std::string size_text(std::uint64_t bytes) {
  if (bytes == std::numeric_limits<std::uint64_t>::max()) return "unlimited";
  if (bytes >= 1024 * MiB) return gibibytes(bytes);
  return bytes >= MiB ? fmt::format("{} MiB", bytes / MiB) : fmt::format("{} KiB", bytes / 1024);
}

/// What `look` finds in the reports of each node. A finding that several nodes share appears once, with their names.
Findings of_nodes(const RankReports& reports, const std::function<Findings(const RankReports&)>& look) {
  std::map<std::string, RankReports> nodes;
  for (const RankReport& report : reports) nodes[report.host].push_back(report);
  Findings findings;
  std::vector<std::vector<std::string>> hosts;  // the nodes that share each finding
  for (const auto& [host, here] : nodes) {
    for (const Finding& finding : look(here)) {
      const auto same = std::find(findings.begin(), findings.end(), finding);
      if (same != findings.end()) {
        hosts[static_cast<std::size_t>(same - findings.begin())].push_back(host);
        continue;
      }
      findings.push_back(finding);
      hosts.push_back({host});
    }
  }
  for (std::size_t i = 0; i < findings.size() && nodes.size() > 1; ++i)
    findings[i].text =
        (hosts[i].size() == nodes.size() ? "every machine" : join(hosts[i], ", ")) + ": " + findings[i].text;
  return findings;
}

std::string pairs_text(const std::vector<GpuPair>& pairs, std::size_t all) {
  if (pairs.size() == all && all > 1) return fmt::format("all {} pairs of GPUs", all);
  std::vector<std::string> texts;
  for (const GpuPair& pair : pairs) texts.push_back(fmt::format("GPU {} - GPU {}", pair.a, pair.b));
  return join(texts, ", ");
}

Findings links_of_node(const RankReports& reports) {
  const RankReport& widest = *std::max_element(reports.begin(), reports.end(),
                                               [](const auto& a, const auto& b) { return a.gpus_seen < b.gpus_seen; });
  const std::vector<GpuPair>& all = widest.pairs;
  const auto gpu_ranks =
      std::count_if(reports.begin(), reports.end(), [](const auto& report) { return report.gpu >= 0; });
  if (all.empty() && gpu_ranks > 1)
    return {
        {Finding::ok, "GPU links",
         "each rank sees its own GPU alone; where NCCL is slow, let every rank see all GPUs (srun --gpu-bind=none)"}};
  std::vector<GpuPair> direct, indirect;
  for (const GpuPair& pair : all) (pair.direct ? direct : indirect).push_back(pair);
  Findings findings;
  if (!direct.empty())
    findings.push_back(
        {Finding::ok, "GPU links", pairs_text(direct, all.size()) + ": direct (NVLink or PCIe peer access)"});
  if (!indirect.empty())
    findings.push_back(
        {Finding::warn, "GPU links",
         pairs_text(indirect, all.size()) +
             ": through host memory, slow for ranks that share a clip (nvidia-smi topo -p2p r shows why)"});
  return findings;
}

Findings locked_on_node(const RankReports& reports) {
  const RankReport& least = *std::min_element(reports.begin(), reports.end(),
                                              [](const auto& a, const auto& b) { return a.lockable < b.lockable; });
  const bool pinning_failed =
      std::any_of(reports.begin(), reports.end(), [](const auto& report) { return !report.pinning_problem.empty(); });
  const std::string limit = size_text(least.lockable);
  if (least.lockable >= enough_locked) return {{Finding::ok, "ulimit -l", limit}};
  if (!least.infiniband && !pinning_failed)
    return {{Finding::ok, "ulimit -l", limit + ", enough: without InfiniBand nothing needs more"}};
  return {
      {Finding::warn, "ulimit -l",
       fmt::format(
           "{}, too little {}: set memlock to unlimited (/etc/security/limits.conf; docker run --ulimit memlock=-1; "
           "Slurm: PropagateResourceLimitsExcept=MEMLOCK)",
           limit,
           least.infiniband ? "for InfiniBand, which locks what it sends"
                            : "perhaps, for memory could not be pinned")}};
}

Findings shm_of_node(const RankReports& reports) {
  const RankReport& one = reports.front();
  const std::string purpose = "; MPI, NCCL and the ranks of a machine pass data through it and want 512 MiB: ";
  if (one.shm_bytes == 0) return {{Finding::warn, "/dev/shm", "not there" + purpose + "mount a tmpfs"}};
  if (one.shm_bytes < enough_shared)
    return {{Finding::warn, "/dev/shm",
             size_text(one.shm_bytes) + purpose + "docker run --shm-size=1g, or mount -o remount,size=1g /dev/shm"}};
  if (one.shm_free < enough_shared)
    return {{Finding::warn, "/dev/shm",
             size_text(one.shm_free) + " free of " + size_text(one.shm_bytes) + purpose +
                 "remove what programs that have ended left there (ls -l /dev/shm)"}};
  return {{Finding::ok, "/dev/shm", size_text(one.shm_bytes)}};
}

}  // namespace

Findings gpu_links(const RankReports& reports) { return of_nodes(reports, links_of_node); }

Findings pinned_memory(const RankReports& reports) {
  Findings findings;
  std::vector<double> rates;
  for (const RankReport& report : reports) {
    if (report.pinned_gb_per_s > 0) rates.push_back(report.pinned_gb_per_s);
    if (!report.pinning_problem.empty())
      findings.push_back({Finding::warn, "pinned memory",
                          fmt::format("rank {} on {} cannot pin 1 GiB and copy it to its GPU: {}", report.rank,
                                      report.host, report.pinning_problem)});
  }
  if (!rates.empty()) {
    const auto [least, most] = std::minmax_element(rates.begin(), rates.end());
    const std::string range = fmt::format("{:.1f}{}", *least, *most > *least ? fmt::format(" to {:.1f}", *most) : "");
    findings.push_back(
        {Finding::ok, "pinned memory",
         fmt::format("1 GiB {}to the GPU at {} GB/s", reports.size() > 1 ? "of each rank " : "", range)});
  }
  for (Finding& finding : of_nodes(reports, locked_on_node)) findings.push_back(std::move(finding));
  return findings;
}

Findings shared_memory(const RankReports& reports) { return of_nodes(reports, shm_of_node); }

}  // namespace wf
