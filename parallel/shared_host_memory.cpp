#include "parallel/shared_host_memory.hpp"

#include <mpi.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "cluster/mpi_check.hpp"
#include "cluster/mpi_link.hpp"

namespace wf {
namespace {

using Blocks = std::vector<std::shared_ptr<HostMemory>>;
using Problem = std::array<char, 400>;  ///< zero-terminated; empty: there is none

/// False when the user has switched sharing off: on nodes of several processors copies of its own are nearer to a rank.
bool is_wanted() {
  const char* const asked = std::getenv("WANFARM_SHARE_EXPERTS");
  return !asked || std::string_view(asked) != "0";
}

/// Runs `step` and throws on all ranks what it throws on one of them, the first that fails.
void on_all_ranks(const MpiLink& link, const std::function<void()>& step) {
  Problem own{};
  try {
    step();
  } catch (const std::exception&) {
    const int rank = link.world_ranks[static_cast<std::size_t>(link.rank)];
    const std::string text = fmt::format("rank {}: {}", rank, current_error().what()).substr(0, own.size() - 1);
    std::ranges::copy(text, own.begin());
  }
  std::vector<Problem> all(static_cast<std::size_t>(link.size));
  WF_MPI(MPI_Allgather(own.data(), sizeof own, MPI_CHAR, all.data(), sizeof own, MPI_CHAR, link.comm));
  for (const Problem& problem : all)
    if (problem.front() != 0) throw Error(Error::environment, problem.data());
}

std::vector<HostMemoryAddress> addresses_of(const Blocks& blocks, const MpiLink& link, std::size_t count) {
  std::vector<HostMemoryAddress> addresses(count);
  if (link.rank == 0)
    std::ranges::transform(blocks, addresses.begin(), [](const auto& block) { return block->address(); });
  WF_MPI(MPI_Bcast(addresses.data(), static_cast<int>(count * sizeof(HostMemoryAddress)), MPI_BYTE, 0, link.comm));
  return addresses;
}

}  // namespace

Blocks share_host_memory(World& world, const std::vector<int>& ranks, const std::vector<WantedMemory>& wanted,
                         const Waiting& waiting) {
  const MpiLink link(MPI_COMM_WORLD, ranks, world.watched(waiting));
  Blocks blocks;
  on_all_ranks(link, [&] {
    if (link.rank == 0 && !is_wanted()) throw Error(Error::environment, "WANFARM_SHARE_EXPERTS is 0");
    if (link.rank == 0)
      for (const WantedMemory& each : wanted) blocks.push_back(HostMemory::shared(each.bytes, each.key));
  });
  const std::vector<HostMemoryAddress> addresses = addresses_of(blocks, link, wanted.size());
  on_all_ranks(link, [&] {
    if (link.rank == 0) return;
    for (std::size_t i = 0; i < wanted.size(); ++i)
      blocks.push_back(HostMemory::open(addresses[i], wanted[i].bytes, wanted[i].key));
  });
  return blocks;
}

}  // namespace wf
