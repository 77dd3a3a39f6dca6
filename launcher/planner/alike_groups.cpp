#include "launcher/planner/alike_groups.hpp"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "base/text.hpp"

namespace wf {
namespace {

/// The first and the last kind that a group has GPUs of, as indices into Hardware::kinds.
using Kinds = std::pair<std::size_t, std::size_t>;

/// Of each of `groups` groups, from number `first` on. Not for hardware whose GPUs are alike.
std::vector<Kinds> kinds_of_groups(const Hardware& hardware, int group_size, int first, int groups) {
  std::vector<std::size_t> kind_of;
  for (std::size_t kind = 0; kind < hardware.kinds.size(); ++kind)
    kind_of.insert(kind_of.end(), static_cast<std::size_t>(hardware.kinds[kind].count), kind);
  std::vector<Kinds> all;
  for (int group = first; group < first + groups; ++group) {
    const auto begin = static_cast<std::size_t>(group * group_size), end = begin + static_cast<std::size_t>(group_size);
    all.emplace_back(kind_of.at(begin), kind_of.at(end - 1));
  }
  return all;
}

std::vector<AlikeGroups> alike_groups(const Hardware& hardware, int group_size, int first, int groups) {
  if (hardware.kinds.empty()) return {{groups, hardware}};
  std::vector<AlikeGroups> alike;
  const std::vector<Kinds> kinds = kinds_of_groups(hardware, group_size, first, groups);
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (i > 0 && kinds[i] == kinds[i - 1])
      ++alike.back().count;
    else
      alike.push_back({1, hardware.as_seen_by((first + static_cast<int>(i)) * group_size, group_size)});
  }
  return alike;
}

std::string gpus_text(int count, const Hardware& hardware) {
  const GpuFigures& gpu = hardware.gpu;
  if (gpu.is_cpu())
    return fmt::format("{} with {}", count_text(static_cast<std::size_t>(count), "CPU rank"),
                       count_text(static_cast<std::size_t>(gpu.threads), "thread"));
  return fmt::format("{} {} of {}", count, gpu.kind, gibibytes(hardware.memory_bytes));
}

int groups_before(const PlacementPlan& plan, std::size_t pool) {
  int groups = 0;
  for (std::size_t i = 0; i < pool; ++i) groups += plan.pools[i].groups;
  return groups;
}

}  // namespace

std::vector<AlikeGroups> alike_groups(const Hardware& hardware, const PlacementPlan& plan) {
  return alike_groups(hardware, plan.group_size(), 0, groups_before(plan, plan.pools.size()));
}

std::vector<AlikeGroups> alike_groups(const Hardware& hardware, const PlacementPlan& plan, std::size_t pool) {
  return alike_groups(hardware, plan.group_size(), groups_before(plan, pool), plan.pools.at(pool).groups);
}

Execution execution_of(const PlanRequest& request, const AlikeGroups& groups) {
  Execution execution = request.execution;
  if (!request.hardware.kinds.empty()) execution.capability = groups.hardware.gpu.capability;
  return execution;
}

bool any_group_mixes_kinds(const Hardware& hardware, int group_size) {
  if (hardware.kinds.empty()) return false;
  for (const auto& [first, last] : kinds_of_groups(hardware, group_size, 0, hardware.gpus() / group_size))
    if (first != last) return true;
  return false;
}

std::string kinds_text(const Hardware& hardware) {
  if (hardware.kinds.empty()) return gpus_text(hardware.gpus(), hardware);
  std::vector<std::string> texts;
  for (const AlikeGpus& kind : hardware.kinds)
    texts.push_back(gpus_text(kind.count, {.memory_bytes = kind.memory_bytes, .gpu = kind.gpu}));
  return join(texts, ", ");
}

std::string kinds_text(const Hardware& hardware, const PlacementPlan& plan, std::size_t pool) {
  std::vector<std::string> texts;
  for (const AlikeGroups& each : alike_groups(hardware, plan, pool))
    texts.push_back(gpus_text(each.count * plan.group_size(), each.hardware));
  return join(texts, ", ");
}

}  // namespace wf
