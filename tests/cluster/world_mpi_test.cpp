// tests/cluster/world_mpi_test.cpp: which ranks share a node, whatever their hosts are called. This program takes the
// place of two functions of MPI, as its profiling interface (PMPI) allows, to show the world a cluster of containers.
#include <gtest/gtest.h>
#include <mpi.h>

#include <cstdio>

#include "cluster/world.hpp"
#include "tests/mpi_main.hpp"

namespace wf {
namespace {

int rank_in_world() {
  int rank = 0;
  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

/// Ranks are dealt out to two machines in turn.
int machine_of(int rank) { return rank % 2; }

/// On machine 0 each rank is in a container with a name of its own, on machine 1 all containers have that of rank 0.
std::string container_of(int rank) { return "container-" + std::to_string(machine_of(rank) == 0 ? rank : 0); }

}  // namespace
}  // namespace wf

extern "C" int MPI_Get_processor_name(char* name, int* length) {
  *length = std::snprintf(name, MPI_MAX_PROCESSOR_NAME, "%s", wf::container_of(wf::rank_in_world()).c_str());
  return MPI_SUCCESS;
}

extern "C" int MPI_Comm_split_type(MPI_Comm comm, int type, int key, MPI_Info info, MPI_Comm* part) {
  if (type != MPI_COMM_TYPE_SHARED) return PMPI_Comm_split_type(comm, type, key, info, part);
  return PMPI_Comm_split(comm, wf::machine_of(wf::rank_in_world()), key, part);
}

namespace wf {
namespace {

TEST(WorldOfContainers, RanksThatCanShareMemoryAreOnOneNodeWhateverTheirHostsAreCalled) {
  const World& world = test_world();
  for (int rank = 0; rank < world.size(); ++rank)
    EXPECT_EQ(world.hosts()[static_cast<std::size_t>(rank)], machine_of(rank) == 0 ? "container-0" : "container-0#2");
  const int own = machine_of(world.rank());
  EXPECT_EQ(
      world.place(),
      (NodePlace{.node = own, .nodes = 2, .local_rank = world.rank() / 2, .local_size = (world.size() + 1 - own) / 2}));
}

}  // namespace
}  // namespace wf
