#include "launcher/doctor/rank_findings.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "base/text.hpp"
#include "parallel/device.hpp"

namespace wf {
namespace {

struct Column {
  std::function<std::string(const RankReport&)> cell;
  std::size_t width = 0;  ///< Of the longest cell.
};

std::string memory_text(const RankReport& report) {
  if (report.gpu < 0) return "";
  return fmt::format("{}, {} free", gibibytes(report.gpu_bytes), gibibytes(report.gpu_free));
}

std::vector<Column> columns(const RankReports& reports) {
  std::vector<Column> columns{
      {[](const auto& report) { return report.host; }},
      {[](const auto& report) { return report.gpu < 0 ? "CPU" : fmt::format("GPU {} at {}", report.gpu, report.pci); }},
      {[](const auto& report) { return report.gpu < 0 ? "" : report.device; }},
      {memory_text},
      {[](const auto& report) {
        return fmt::format("{} {}", report.threads, report.threads > 1 ? "threads" : "thread");
      }}};
  for (Column& column : columns)
    for (const RankReport& report : reports) column.width = std::max(column.width, column.cell(report).size());
  return columns;
}

Finding line(const RankReport& report, const std::vector<Column>& columns) {
  Finding finding{Finding::ok, fmt::format("rank {}", report.rank), ""};
  for (const Column& column : columns)
    if (column.width > 0) finding.text += fmt::format("{:<{}}  ", column.cell(report), column.width);
  finding.text.erase(finding.text.find_last_not_of(' ') + 1);
  const std::uint64_t taken = report.gpu_bytes - std::min(report.gpu_free, report.gpu_bytes);
  if (taken > report.gpu_bytes / 10) {
    finding.mark = Finding::warn;
    finding.text += fmt::format("; other processes hold {} of its memory: nvidia-smi lists them", gibibytes(taken));
  }
  return finding;
}

Finding summary(const RankReports& reports) {
  std::map<std::string, int> ranks_on;
  for (const RankReport& report : reports) ++ranks_on[report.host];
  std::vector<std::string> nodes;
  for (const auto& [host, ranks] : ranks_on) nodes.push_back(fmt::format("{} ({})", host, ranks));
  return {
      Finding::ok, "ranks",
      fmt::format("{} on {}: {}", reports.size(),
                  ranks_on.size() == 1 ? "1 machine" : fmt::format("{} machines", ranks_on.size()), join(nodes, ", "))};
}

/// What identifies a GPU in the cluster: the name of its node and Gpu::pci.
using Place = std::pair<std::string, std::string>;

std::map<Place, RankReports> by_gpu(const RankReports& reports) {
  std::map<Place, RankReports> gpus;
  for (const RankReport& report : reports)
    if (report.gpu >= 0) gpus[{report.host, report.pci}].push_back(report);
  return gpus;
}

std::vector<int> ranks_of(const RankReports& reports) {
  std::vector<int> ranks;
  for (const RankReport& report : reports) ranks.push_back(report.rank);
  return ranks;
}

/// Something that should be the same on all ranks.
struct Property {
  std::string name;
  std::string prefix;  ///< Text to put before a value that would not be understood alone.
  std::string RankReport::*value;
  Finding::Mark mark;  ///< Mark of the finding when ranks differ.
  std::string advice;
};

const std::vector<Property>& properties() {
  static const std::vector<Property> all{
      {"wanfarm", "wanfarm ", &RankReport::wanfarm, Finding::missing, "start the same build on every machine"},
      {"LibTorch", "LibTorch ", &RankReport::torch, Finding::warn, "clips of different ranks may differ by rounding"},
      {"MPI", "", &RankReport::mpi, Finding::warn, "install the same version on every machine"},
      {"NCCL", "NCCL ", &RankReport::nccl, Finding::missing,
       "NCCL refuses that: install the same version on every machine"},
      {"device", "", &RankReport::device, Finding::warn, "each is planned for as what it is (docs/placement.md)"},
      {"driver", "driver ", &RankReport::driver, Finding::warn, "if a rank fails, check this first"}};
  return all;
}

}  // namespace

Findings rank_table(const RankReports& reports) {
  Findings findings{summary(reports)};
  const std::vector<Column> all = columns(reports);
  for (const RankReport& report : reports) findings.push_back(line(report, all));
  return findings;
}

Findings problems(const RankReports& reports) {
  Findings findings;
  for (const RankReport& report : reports)
    if (!report.problem.empty())
      findings.push_back({Finding::missing, fmt::format("rank {}", report.rank), report.host + ": " + report.problem});
  return findings;
}

Findings shared_gpus(const RankReports& reports) {
  const auto gpus = by_gpu(reports);
  Findings findings;
  for (const auto& [place, sharing] : gpus) {
    if (sharing.size() < 2) continue;
    const RankReport& first = sharing.front();
    const auto gpus_in_use =
        std::count_if(gpus.begin(), gpus.end(), [&](const auto& gpu) { return gpu.first.first == first.host; });
    findings.push_back(
        {Finding::missing, "GPU shared",
         fmt::format(
             "{} on {} take the same GPU, {} at {}, which NCCL refuses; start at most {} there, or let them see more "
             "GPUs (CUDA_VISIBLE_DEVICES, Slurm's --gpus-per-node)",
             ranks_text(ranks_of(sharing)), first.host, first.device, first.pci,
             std::max<std::int64_t>(gpus_in_use, first.gpus_seen))});
  }
  return findings;
}

Findings differences(const RankReports& reports) {
  Findings findings;
  std::vector<std::string> same;  // values that all ranks share
  for (const Property& property : properties()) {
    std::map<std::string, std::vector<int>> ranks;
    for (const RankReport& report : reports) ranks[report.*property.value].push_back(report.rank);
    if (ranks.size() == 1) {
      if (const std::string& value = ranks.begin()->first; !value.empty()) same.push_back(property.prefix + value);
      continue;
    }
    std::vector<std::string> versions;
    for (const auto& [value, its_ranks] : ranks)
      versions.push_back(fmt::format("{} on {}", value.empty() ? "none" : value, ranks_text(its_ranks)));
    findings.push_back({property.mark, "not the same",
                        fmt::format("{}: {}; {}", property.name, join(versions, ", "), property.advice)});
  }
  findings.insert(findings.begin(), {Finding::ok, "on all ranks", join(same, ", ")});
  return findings;
}

bool can_use_nccl(const RankReports& reports) {
  return by_gpu(reports).size() == reports.size() &&
         std::none_of(reports.begin(), reports.end(),
                      [](const auto& report) { return report.nccl.empty() || !report.problem.empty(); });
}

std::string ranks_text(const std::vector<int>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (auto first = ranks.begin(); first != ranks.end();) {
    auto last = first;
    while (last + 1 != ranks.end() && *(last + 1) == *last + 1) ++last;
    if (first != ranks.begin()) text += ", ";
    text += std::to_string(*first);
    if (last != first) text += (last == first + 1 ? ", " : "-") + std::to_string(*last);
    first = last + 1;
  }
  return text;
}

}  // namespace wf
