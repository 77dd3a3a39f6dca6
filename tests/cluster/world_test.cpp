// tests/cluster/world_test.cpp: the parts of World that need no other ranks.
#include "cluster/world.hpp"

#include <gtest/gtest.h>
#include <mpi.h>

#include "base/error.hpp"

namespace wf {
namespace {

TEST(NodePlace, RanksOfANodeAreCountedEvenIfTheyAreNotConsecutive) {
  const std::vector<std::string> hosts{"b", "a", "b", "c", "a", "b"};
  EXPECT_EQ(node_place(hosts, 0), (NodePlace{.node = 0, .nodes = 3, .local_rank = 0, .local_size = 3}));
  EXPECT_EQ(node_place(hosts, 4), (NodePlace{.node = 1, .nodes = 3, .local_rank = 1, .local_size = 2}));
  EXPECT_EQ(node_place(hosts, 5), (NodePlace{.node = 0, .nodes = 3, .local_rank = 2, .local_size = 3}));
  EXPECT_EQ(node_place({"alone"}, 0), NodePlace{});
}

TEST(NodeNames, AreTheSameOnlyForRanksThatCanShareMemory) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(node_names({{0, 7}, {0, 7}, {2, 7}, {2, 7}}, {"a", "a", "b", "b"}), (Names{"a", "a", "b", "b"}));
  EXPECT_EQ(node_names({{0, 7}, {1, 7}, {0, 7}, {3, 7}}, {"a", "a", "a", "a"}), (Names{"a", "a#2", "a", "a#3"}))
      << "containers on three machines have one host name";
  EXPECT_EQ(node_names({{0, 7}, {0, 7}, {0, 7}}, {"a", "b", "c"}), (Names{"a", "a", "a"}))
      << "ranks in containers with names of their own share the memory of a machine";
  EXPECT_EQ(node_names({{0, 7}, {0, 8}, {0, 7}}, {"a", "b", "a"}), (Names{"a", "b", "a"}))
      << "a container with a /dev/shm of its own";
}

TEST(World, AnMpiLibraryWithoutThreadSupportIsRefusedByName) {
  EXPECT_NO_THROW(require_thread_multiple(MPI_THREAD_MULTIPLE));
  try {
    require_thread_multiple(MPI_THREAD_FUNNELED);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::environment);
    EXPECT_EQ(error.what(), mpi_library() +
                                " provides MPI_THREAD_FUNNELED only; wanfarm needs an MPI built with "
                                "MPI_THREAD_MULTIPLE");
  }
}

TEST(World, TheNameOfTheMpiLibraryIsOneLineWithoutDetails) {
  EXPECT_FALSE(mpi_library().empty());
  EXPECT_EQ(mpi_library().find_first_of(",\n"), std::string::npos);
}

}  // namespace
}  // namespace wf
