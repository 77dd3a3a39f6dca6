// tests/parallel/shared_host_memory_mpi_test.cpp: the ranks of a node share blocks of memory, or none of them does.
#include <cerrno>

#include "base/error.hpp"
#include "parallel/shared_host_memory.hpp"
#include "tests/parallel/all_ranks.hpp"

namespace wf {
namespace {

const std::vector<WantedMemory> two_blocks{{5000, 1}, {100, 2}};

TEST(SharedByRanks, IsOneMemoryForAll) {
  const auto blocks = share_host_memory(test_world(), test::everyone(), two_blocks);
  ASSERT_EQ(blocks.size(), 2u);
  const int rank = test_world().rank(), ranks = test_world().size();
  for (const auto& block : blocks) block->data()[rank] = static_cast<std::byte>(rank + 1);
  test::of_all_ranks(0);
  for (const auto& block : blocks)
    for (int other = 0; other < ranks; ++other) EXPECT_EQ(block->data()[other], static_cast<std::byte>(other + 1));
}

TEST(SharedByRanks, IsWrittenByOneOfThem) {
  const auto block = share_host_memory(test_world(), test::everyone(), two_blocks).front();
  std::uint64_t turns = 0;
  if (const auto turn = block->wait_for_turn()) ++turns, turn->finish();
  EXPECT_TRUE(block->is_written());
  EXPECT_EQ(test::sum_of_all_ranks(turns), 1u);
}

/// What all ranks are told, which is the same.
std::string refusal(const std::vector<WantedMemory>& wanted) {
  try {
    share_host_memory(test_world(), test::everyone(), wanted);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::environment);
    EXPECT_EQ(test::of_rank_0(error.what()), error.what());
    return error.what();
  }
  ADD_FAILURE() << "shared";
  return "";
}

TEST(SharedByRanks, AFailureOfOneRankIsThrownOnAllAndNamesTheRank) {
  const int last = test_world().size() - 1;
  if (test_world().rank() == last)
    inject_host_memory_faults([](HostMemoryStep step) { return step == HostMemoryStep::open ? EACCES : 0; });
  const std::string text = refusal(two_blocks);
  inject_host_memory_faults({});
  EXPECT_TRUE(text.starts_with("rank " + std::to_string(last) + ": /proc/")) << text;
  EXPECT_TRUE(text.ends_with(": Permission denied")) << text;
}

TEST(SharedByRanks, IsRefusedWhereOneCannotMakeIt) {
  if (test_world().rank() == 0) inject_host_memory_faults([](HostMemoryStep) { return ENOSYS; });
  EXPECT_TRUE(refusal(two_blocks).starts_with("rank 0: memfd_create: "));
  inject_host_memory_faults({});
}

TEST(SharedByRanks, IsRefusedToARankThatWouldWriteSomethingElse) {
  std::vector<WantedMemory> wanted = two_blocks;
  if (test_world().rank() == 1) wanted[1].key = 3;
  EXPECT_TRUE(refusal(wanted).starts_with("rank 1: ")) << "the keys differ";
}

}  // namespace
}  // namespace wf
