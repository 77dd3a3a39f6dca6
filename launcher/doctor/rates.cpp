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

#include "cluster/error.hpp"
#include "launcher/command.hpp"
#include "parallel/device.hpp"
#include "parallel/nccl_communicator.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t MiB = 1 << 20;
constexpr auto deadline = 30s;

/// The words of what `action` throws; empty: nothing.
std::string problem_of(const std::function<void()>& action) {
  try {
    action();
    return "";
  } catch (const std::exception&) {
    return current_error().what();
  }
}

/// As weights are read together.
void share_memory(World& world, const std::vector<int>& ranks) {
  const auto reader = world.node_reader(ranks, {.deadline = deadline});
  const auto write = [](std::uint64_t, std::span<std::byte> into) { std::memset(into.data(), 0x5a, into.size()); };
  const auto check = [](std::uint64_t, std::span<const std::byte> bytes) {
    if (std::any_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte != std::byte{0x5a}; }))
      throw Error(Error::environment, "what one rank writes is not what another reads");
  };
  reader->share("doctor", 64 * MiB, write, check);
}

double seconds_of_all_to_all(Communicator& ranks, at::Device device, std::int64_t bytes) {
  const int rounds = device.is_cpu() ? 2 : 5;
  Counts counts(static_cast<std::size_t>(ranks.size()), bytes);
  counts[static_cast<std::size_t>(ranks.rank())] = 0;
  const at::Tensor send = at::zeros({bytes * (ranks.size() - 1)}, at::device(device).dtype(at::kByte));
  const auto repeat = [&] {
    for (int round = 0; round < rounds; ++round) ranks.all_to_all(send, counts, counts);
  };
  repeat();
  ranks.barrier();
  const double seconds = seconds_on(device, repeat) / rounds;
  ranks.barrier();  // throws what went wrong with the last ones
  return seconds;
}

/// For measuring: over the members, on the medium of the trial.
std::unique_ptr<Communicator> communicator_of(World& world, const std::vector<int>& members, at::Device device,
                                              const Trial& trial) {
  auto ranks = world.communicator({.deadline = deadline})->subgroup(members);
  return trial.nccl ? nccl_communicator(std::move(ranks), device, {.deadline = deadline}, members) : std::move(ranks);
}

std::string problems_in_words(const std::vector<Tried>& tried) {
  constexpr std::size_t most = 3;
  std::map<std::string, std::vector<int>> ranks;
  for (const Tried& one : tried)
    if (!one.problem.empty()) ranks[one.problem].push_back(one.rank);
  std::vector<std::string> words;
  for (const auto& [problem, with_it] : ranks)
    if (words.size() < most) words.push_back(ranks_in_words(with_it) + ": " + problem);
  if (ranks.size() > most) words.push_back(fmt::format("and {} more", ranks.size() - most));
  return join(words, "; ");
}

double gb_per_s(const Trial& trial, const Tried& one) {
  return one.seconds > 0 ? static_cast<double>(trial.bytes) * one.peers / 1e9 / one.seconds : 0;
}

std::string rate_in_words(const Trial& trial, const std::vector<Tried>& tried) {
  const Tried* slowest = nullptr;
  for (const Tried& one : tried)
    if (one.peers > 0 && (!slowest || gb_per_s(trial, one) < gb_per_s(trial, *slowest))) slowest = &one;
  return fmt::format("each rank sends {:.1f} GB/s, {:.3g} MiB to each of {} other{}", gb_per_s(trial, *slowest),
                     static_cast<double>(trial.bytes) / MiB, slowest->peers, slowest->peers > 1 ? "s" : "");
}

}  // namespace

std::vector<Trial> choose_trials(const RankReports& reports) {
  std::set<std::string> machines;
  for (const RankReport& report : reports) machines.insert(report.host);
  const auto peers = static_cast<std::int64_t>(reports.size()) - 1;
  Trial all{.what = Trial::all, .nccl = can_use_nccl(reports)};
  all.bytes = (all.nccl ? 64 : 16) * MiB;  // ranks on CPUs often are many on few cores
  for (const RankReport& report : reports) {
    const std::uint64_t room =
        all.nccl ? report.gpu_free : report.host_bytes / static_cast<std::uint64_t>(report.host_ranks);
    all.bytes = std::min(all.bytes, std::min(1024 * MiB, static_cast<std::int64_t>(room / 8)) / peers);
  }
  all.bytes = std::max<std::int64_t>(all.bytes, 1);
  if (machines.size() == reports.size()) return {all};
  if (machines.size() == 1) return {{.what = Trial::sharing}, all};
  return {{.what = Trial::sharing}, {.what = Trial::within, .nccl = all.nccl, .bytes = all.bytes}, all};
}

Tried try_together(World& world, at::Device device, const Trial& trial) {
  std::vector<int> members(static_cast<std::size_t>(world.size()));
  std::iota(members.begin(), members.end(), 0);
  const std::string& host = world.hosts()[static_cast<std::size_t>(world.rank())];
  if (trial.what != Trial::all)
    std::erase_if(members, [&](int rank) { return world.hosts()[static_cast<std::size_t>(rank)] != host; });
  Tried tried;
  tried.rank = world.rank();
  tried.peers = static_cast<int>(members.size()) - 1;
  tried.host = host;
  tried.problem = problem_of([&] {
    if (trial.what == Trial::sharing) {
      if (tried.peers > 0) share_memory(world, members);
    } else {
      const at::Device medium = trial.nccl ? device : at::Device(at::kCPU);
      const auto ranks = communicator_of(world, members, medium, trial);  // collective, also for those who are alone
      if (tried.peers > 0) tried.seconds = seconds_of_all_to_all(*ranks, medium, trial.bytes);
    }
  });
  return tried;
}

Finding trial_finding(const Trial& trial, const std::vector<Tried>& tried) {
  const std::string problems = problems_in_words(tried);
  const Finding::Mark mark = problems.empty() ? Finding::ok : Finding::missing;
  if (trial.what == Trial::sharing)
    return {mark, "shared memory", problems.empty() ? "the ranks of a machine read what each other writes" : problems};
  return {mark, "all-to-all",
          fmt::format("{}, {}: {}", trial.nccl ? "NCCL" : "MPI on CPUs",
                      trial.what == Trial::within ? "within a machine" : "over all ranks",
                      problems.empty() ? rate_in_words(trial, tried) : problems)};
}

}  // namespace wf
