#include "launcher/doctor/rank_findings.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "launcher/command.hpp"
#include "parallel/device.hpp"

namespace wf {
namespace {

struct Column {
  std::function<std::string(const RankReport&)> cell;
  std::size_t width = 0;
};

std::string memory_in_words(const RankReport& report) {
  if (report.gpu < 0) return "";
  return fmt::format("{}, {} free", gibibytes(report.gpu_bytes), gibibytes(report.gpu_free));
}

std::vector<Column> columns(const RankReports& reports) {
  std::vector<Column> columns{
      {[](const auto& report) { return report.host; }},
      {[](const auto& report) { return report.gpu < 0 ? "CPU" : fmt::format("GPU {} at {}", report.gpu, report.pci); }},
      {[](const auto& report) { return report.gpu < 0 ? "" : report.device; }},
      {memory_in_words},
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
    if (column.width > 0) finding.words += fmt::format("{:<{}}  ", column.cell(report), column.width);
  finding.words.erase(finding.words.find_last_not_of(' ') + 1);
  const std::uint64_t taken = report.gpu_bytes - std::min(report.gpu_free, report.gpu_bytes);
  if (taken > report.gpu_bytes / 10) {
    finding.mark = Finding::warn;
    finding.words += fmt::format("; others hold {} of its memory: nvidia-smi names them", gibibytes(taken));
  }
  return finding;
}

Finding summary(const RankReports& reports) {
  std::map<std::string, int> on;
  for (const RankReport& report : reports) ++on[report.host];
  std::vector<std::string> machines;
  for (const auto& [host, ranks] : on) machines.push_back(fmt::format("{} ({})", host, ranks));
  return {Finding::ok, "ranks",
          fmt::format("{} on {}: {}", reports.size(),
                      on.size() == 1 ? "1 machine" : fmt::format("{} machines", on.size()), join(machines, ", "))};
}

using Place = std::pair<std::string, std::string>;  ///< host and Gpu::pci: of a GPU

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
struct Fact {
  std::string name;
  std::string prefix;  ///< of its value, where that does not speak for itself
  std::string RankReport::*value;
  Finding::Mark mark;  ///< when it is not
  std::string advice;
};

const std::vector<Fact>& facts() {
  static const std::vector<Fact> all{
      {"wanfarm", "wanfarm ", &RankReport::wanfarm, Finding::missing, "start the same build on every machine"},
      {"LibTorch", "LibTorch ", &RankReport::torch, Finding::warn, "clips of different ranks may differ by roundings"},
      {"MPI", "", &RankReport::mpi, Finding::warn, "give every machine the same one"},
      {"NCCL", "NCCL ", &RankReport::nccl, Finding::missing, "NCCL refuses that: give every machine the same one"},
      {"device", "", &RankReport::device, Finding::warn, "work is dealt out as if all were the slowest"},
      {"driver", "driver ", &RankReport::driver, Finding::warn, "where a rank fails, compare this first"}};
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
  for (const auto& [place, takers] : gpus) {
    if (takers.size() < 2) continue;
    const RankReport& first = takers.front();
    const auto here =
        std::count_if(gpus.begin(), gpus.end(), [&](const auto& gpu) { return gpu.first.first == first.host; });
    findings.push_back(
        {Finding::missing, "GPU shared",
         fmt::format(
             "{} on {} take the same GPU, {} at {}, which NCCL refuses; start at most {} there, or let them see more "
             "GPUs (CUDA_VISIBLE_DEVICES, Slurm's --gpus-per-node)",
             ranks_in_words(ranks_of(takers)), first.host, first.device, first.pci,
             std::max<std::int64_t>(here, first.gpus_seen))});
  }
  return findings;
}

Findings differences(const RankReports& reports) {
  Findings findings;
  std::vector<std::string> same;
  for (const Fact& fact : facts()) {
    std::map<std::string, std::vector<int>> ranks;
    for (const RankReport& report : reports) ranks[report.*fact.value].push_back(report.rank);
    if (ranks.size() == 1) {
      if (const std::string& value = ranks.begin()->first; !value.empty()) same.push_back(fact.prefix + value);
      continue;
    }
    std::vector<std::string> versions;
    for (const auto& [value, having] : ranks)
      versions.push_back(fmt::format("{} on {}", value.empty() ? "none" : value, ranks_in_words(having)));
    findings.push_back(
        {fact.mark, "not the same", fmt::format("{}: {}; {}", fact.name, join(versions, ", "), fact.advice)});
  }
  findings.insert(findings.begin(), {Finding::ok, "on all ranks", join(same, ", ")});
  return findings;
}

bool can_use_nccl(const RankReports& reports) {
  return by_gpu(reports).size() == reports.size() &&
         std::none_of(reports.begin(), reports.end(),
                      [](const auto& report) { return report.nccl.empty() || !report.problem.empty(); });
}

std::string ranks_in_words(const std::vector<int>& ranks) {
  std::string words = ranks.size() == 1 ? "rank " : "ranks ";
  for (auto first = ranks.begin(); first != ranks.end();) {
    auto last = first;
    while (last + 1 != ranks.end() && *(last + 1) == *last + 1) ++last;
    if (first != ranks.begin()) words += ", ";
    words += std::to_string(*first);
    if (last != first) words += (last == first + 1 ? ", " : "-") + std::to_string(*last);
    first = last + 1;
  }
  return words;
}

}  // namespace wf
