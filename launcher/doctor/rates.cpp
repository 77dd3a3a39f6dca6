#include "launcher/doctor/rates.hpp"

#include <ATen/ATen.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "base/error.hpp"
#include "base/text.hpp"
#include "launcher/options/byte_count.hpp"
#include "parallel/device.hpp"
#include "parallel/mpi_communicator.hpp"
#include "parallel/nccl_communicator.hpp"
#include "parallel/node_reader.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t MiB = 1 << 20;
constexpr auto deadline = 30s;  ///< For each step of a trial that waits for other ranks.

/// The text of the error that `action` throws; empty: it throws none.
std::string problem_of(const std::function<void()>& action) {
  try {
    action();
    return "";
  } catch (const std::exception&) {
    return current_error().what();
  }
}

/// Shares memory in the way in which ranks of a node read weights together.
void share_memory(World& world, const std::vector<int>& ranks) {
  const auto reader = std::make_unique<NodeReader>(world, ranks, Waiting{.deadline = deadline});
  const auto write = [](std::uint64_t, std::span<std::byte> into) { std::memset(into.data(), 0x5a, into.size()); };
  const auto check = [](std::uint64_t, std::span<const std::byte> bytes) {
    if (std::any_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte != std::byte{0x5a}; }))
      throw Error(Error::environment, "what one rank writes is not what another reads");
  };
  reader->share("doctor", 64 * MiB, write, check);
}

/// `counts`: bytes for each rank, and from it.
double seconds_of_all_to_all(Communicator& ranks, at::Device device, const Counts& counts) {
  const int rounds = device.is_cpu() ? 2 : 5;
  const std::int64_t bytes = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  const at::Tensor send = at::zeros({bytes}, at::device(device).dtype(at::kByte));
  const auto repeat = [&] {
    for (int round = 0; round < rounds; ++round) ranks.all_to_all(send, counts, counts);
  };
  repeat();
  ranks.barrier();
  const double seconds = seconds_on(device, repeat) / rounds;
  ranks.barrier();  // throws what went wrong in the last rounds
  return seconds;
}

/// Over the members, through NCCL or MPI as the trial asks for.
std::unique_ptr<Communicator> communicator_of(World& world, const std::vector<int>& members, at::Device device,
                                              const Trial& trial) {
  auto ranks = mpi_communicator(world, {.deadline = deadline})->subgroup(members);
  return trial.nccl ? nccl_communicator(std::move(ranks), device, {.deadline = deadline}, members) : std::move(ranks);
}

std::string problems_text(const std::vector<TrialResult>& results) {
  constexpr std::size_t most = 3;
  std::map<std::string, std::vector<int>> ranks;
  for (const TrialResult& one : results)
    if (!one.problem.empty()) ranks[one.problem].push_back(one.rank);
  std::vector<std::string> texts;
  for (const auto& [problem, with_it] : ranks)
    if (texts.size() < most) texts.push_back(ranks_text(with_it) + ": " + problem);
  if (ranks.size() > most) texts.push_back(fmt::format("and {} more", ranks.size() - most));
  return join(texts, "; ");
}

double gb_per_s(const Trial& trial, const TrialResult& one) {
  return one.seconds > 0 ? static_cast<double>(trial.bytes) * one.peers / 1e9 / one.seconds : 0;
}

std::string rate_text(const Trial& trial, const std::vector<TrialResult>& results) {
  const TrialResult* slowest = nullptr;
  for (const TrialResult& one : results)
    if (one.peers > 0 && (!slowest || gb_per_s(trial, one) < gb_per_s(trial, *slowest))) slowest = &one;
  const double rate = gb_per_s(trial, *slowest);
  const std::string link = link_text(rate * 1e9);
  return fmt::format("each rank sends {:.{}f} GB/s, {:.3g} MiB to each of {} other{}{}", rate, rate < 1 ? 3 : 1,
                     static_cast<double>(trial.bytes) / MiB, slowest->peers, slowest->peers > 1 ? "s" : "",
                     trial.what == Trial::between_nodes
                         ? fmt::format("; plans take it from --link-between-nodes {}, or from link_between_nodes: {} "
                                       "in the site's file",
                                       link, link)
                         : "");
}

const char* where(const Trial& trial) {
  if (trial.what == Trial::within_nodes) return "within a machine";
  return trial.what == Trial::between_nodes ? "between machines" : "over all ranks";
}

}  // namespace

std::vector<Trial> choose_trials(const RankReports& reports) {
  std::set<std::string> nodes;
  for (const RankReport& report : reports) nodes.insert(report.host);
  const auto peers = static_cast<std::int64_t>(reports.size()) - 1;
  Trial all{.what = Trial::all_ranks, .nccl = can_use_nccl(reports)};
  all.bytes = (all.nccl ? 64 : 16) * MiB;  // CPU ranks are often many on few cores
  for (const RankReport& report : reports) {
    const std::uint64_t room =
        all.nccl ? report.gpu_free : report.node_bytes / static_cast<std::uint64_t>(report.ranks_on_node);
    all.bytes = std::min(all.bytes, std::min(1024 * MiB, static_cast<std::int64_t>(room / 8)) / peers);
  }
  all.bytes = std::max<std::int64_t>(all.bytes, 1);
  Trial within = all, between = all;
  within.what = Trial::within_nodes, between.what = Trial::between_nodes;
  if (nodes.size() == reports.size()) return {between};
  if (nodes.size() == 1) return {{.what = Trial::sharing}, all};
  return {{.what = Trial::sharing}, within, all, between};
}

TrialResult run_trial(World& world, at::Device device, const Trial& trial) {
  std::vector<int> members(static_cast<std::size_t>(world.size()));
  std::iota(members.begin(), members.end(), 0);
  const auto& hosts = world.hosts();
  const std::string& host = hosts[static_cast<std::size_t>(world.rank())];
  if (trial.what == Trial::sharing || trial.what == Trial::within_nodes)
    std::erase_if(members, [&](int rank) { return hosts[static_cast<std::size_t>(rank)] != host; });
  Counts counts;
  for (const int rank : members) {
    const bool near = hosts[static_cast<std::size_t>(rank)] == host;
    counts.push_back(rank == world.rank() || (near && trial.what == Trial::between_nodes) ? 0 : trial.bytes);
  }
  TrialResult result;
  result.rank = world.rank();
  result.peers = static_cast<int>(std::ranges::count_if(counts, [](std::int64_t bytes) { return bytes > 0; }));
  result.host = host;
  result.problem = problem_of([&] {
    if (trial.what == Trial::sharing) {
      if (result.peers > 0) share_memory(world, members);
    } else {
      const at::Device medium = trial.nccl ? device : at::Device(at::kCPU);
      const auto ranks =
          communicator_of(world, members, medium, trial);  // collective, so also for a rank that is alone on its node
      if (result.peers > 0) result.seconds = seconds_of_all_to_all(*ranks, medium, counts);
    }
  });
  return result;
}

Finding trial_finding(const Trial& trial, const std::vector<TrialResult>& results) {
  const std::string problems = problems_text(results);
  const Finding::Mark mark = problems.empty() ? Finding::ok : Finding::missing;
  if (trial.what == Trial::sharing)
    return {mark, "shared memory", problems.empty() ? "the ranks of a machine read what each other writes" : problems};
  return {mark, "all-to-all",
          fmt::format("{}, {}: {}", trial.nccl ? "NCCL" : "MPI on CPUs", where(trial),
                      problems.empty() ? rate_text(trial, results) : problems)};
}

}  // namespace wf
