// tests/parallel/communicator_mpi_test.cpp: every rank receives exactly what it has to; on 2, 3 and 4 ranks. Groups of
// one rank are subgroups here.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <numeric>
#include <thread>

#include "parallel/mpi_communicator.hpp"
#include "tests/mpi_main.hpp"
#include "tests/parallel/all_ranks.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

std::vector<int> all_ranks(const Communicator& ranks) {
  std::vector<int> members(static_cast<std::size_t>(ranks.size()));
  std::iota(members.begin(), members.end(), 0);
  return members;
}

/// The number of elements that rank `from` sends to rank `to`; and those elements, different for each pair of ranks.
std::int64_t amount(int from, int to) { return (3 * from + 2 * to) % 4; }  // 0 for some
at::Tensor block(int from, int to, std::int64_t unit = 1) {
  return at::arange(amount(from, to) * unit) + 1000 * from + 100 * to;
}

/// Sends and expects block() of every pair, `unit` times as long, as `dtype`.
void expect_all_to_all(Communicator& ranks, at::ScalarType dtype, std::int64_t unit = 1) {
  std::vector<at::Tensor> to_send, to_receive;
  Counts out, in;
  for (const int other : all_ranks(ranks)) {
    to_send.push_back(block(ranks.rank(), other, unit).to(dtype));
    to_receive.push_back(block(other, ranks.rank(), unit).to(dtype));
    out.push_back(to_send.back().numel());
    in.push_back(to_receive.back().numel());
  }
  const at::Tensor received = ranks.all_to_all(at::cat(to_send), out, in);
  EXPECT_EQ(received.scalar_type(), dtype);
  EXPECT_TRUE(at::equal(received, at::cat(to_receive))) << "rank " << ranks.rank() << " got\n" << received;
}

TEST(MpiCommunicator, HasTheRanksOfTheWorld) {
  const auto ranks = mpi_communicator(test_world());
  EXPECT_EQ(ranks->rank(), test_world().rank());
  EXPECT_EQ(ranks->size(), test_world().size());
}

TEST(World, RanksOfThisNodeAreCounted) {
  EXPECT_EQ(std::ssize(test_world().hosts()), test_world().size());
  const NodePlace all_here{.local_rank = test_world().rank(), .local_size = test_world().size()};
  EXPECT_EQ(test_world().place(), all_here);
}

TEST(MpiCommunicator, AllToAllBringsEachBlockToItsRankWhateverTheDtype) {
  const auto ranks = mpi_communicator(test_world());
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kLong, at::kBool, at::kByte})
    expect_all_to_all(*ranks, dtype);
}

TEST(MpiCommunicator, LongMessagesAreSentInChunks) {
  const auto ranks =
      mpi_communicator(MPI_COMM_WORLD, {}, 37);  // chunks end inside elements, and the last one is shorter
  expect_all_to_all(*ranks, at::kLong, 100);
  const at::Tensor numbers = ranks->rank() == 0 ? at::arange(100) : at::zeros({100}, at::kLong);
  ranks->broadcast(numbers, 0);
  EXPECT_TRUE(at::equal(numbers, at::arange(100)));
}

TEST(MpiCommunicator, BlocksThatMpiDoesNotBufferArrive) {
  const auto ranks = mpi_communicator(test_world());
  expect_all_to_all(*ranks, at::kFloat, 1 << 18);  // 1 to 3 MiB
}

TEST(MpiCommunicator, ExchangeShiftsAroundTheRing) {
  const auto ranks = mpi_communicator(test_world());
  const int next = (ranks->rank() + 1) % ranks->size(), previous = (ranks->rank() + ranks->size() - 1) % ranks->size();
  // Two at once, of different lengths, the second one empty on some ranks, as in ring attention.
  const auto first = ranks->start_exchange(at::full({3}, ranks->rank()), next, 3, previous);
  const auto second = ranks->start_exchange(at::full({ranks->rank()}, 7), next, previous, previous);
  EXPECT_TRUE(at::equal(second->wait(), at::full({previous}, 7)));
  EXPECT_TRUE(at::equal(first->wait(), at::full({3}, previous)));
}

TEST(MpiCommunicator, AllGatherJoinsShardsInRankOrder) {
  const auto ranks = mpi_communicator(test_world());
  Counts rows;
  for (const int rank : all_ranks(*ranks)) rows.push_back((rank + 2) % 3);  // 2, 0, 1, 2: an empty one
  const std::int64_t all = std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
  const std::int64_t before = std::accumulate(rows.begin(), rows.begin() + ranks->rank(), std::int64_t{0});
  const at::Tensor whole = at::arange(all * 6).reshape({all, 2, 3}).to(at::kBFloat16);
  const std::int64_t own = rows[static_cast<std::size_t>(ranks->rank())];
  EXPECT_TRUE(at::equal(ranks->all_gather(whole.narrow(0, before, own), rows), whole));
}

TEST(MpiCommunicator, BroadcastOverwritesEveryTensorWithTheRoots) {
  const auto ranks = mpi_communicator(test_world());
  for (const int root : all_ranks(*ranks)) {
    const at::Tensor numbers = at::full({2, 5}, ranks->rank(), at::kFloat);
    ranks->broadcast(numbers, root);
    EXPECT_TRUE(at::equal(numbers, at::full({2, 5}, root, at::kFloat)));
  }
}

TEST(MpiCommunicator, NobodyLeavesABarrierBeforeAllHaveCome) {
  const auto ranks = mpi_communicator(test_world());
  const test::TempFolder own;
  const Path folder = test::of_rank_0(own.path().string());
  for (const int late : all_ranks(*ranks)) {
    if (ranks->rank() == late) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const auto file = [&](int rank) { return folder / (std::to_string(late) + "-" + std::to_string(rank)); };
    std::ofstream(file(ranks->rank())) << "has come";
    ranks->barrier();
    for (const int rank : all_ranks(*ranks)) EXPECT_TRUE(std::filesystem::exists(file(rank))) << "rank " << rank;
  }
  ranks->barrier();  // rank 0 removes the folder
}

TEST(MpiCommunicator, SubgroupsHaveTheOrderGivenAndMayBeAlone) {
  const auto ranks = mpi_communicator(test_world());
  std::vector<int> backwards = all_ranks(*ranks);
  std::reverse(backwards.begin(), backwards.end());
  const auto turned = ranks->subgroup(backwards);
  EXPECT_EQ(turned->rank(), ranks->size() - 1 - ranks->rank());
  expect_all_to_all(*turned, at::kFloat);
  const auto alone = turned->subgroup({turned->rank()});
  EXPECT_EQ(alone->size(), 1);
  expect_all_to_all(*alone, at::kFloat);
  const at::Tensor own = at::full({5}, ranks->rank());
  EXPECT_TRUE(at::equal(alone->all_gather(own, {5}), own));
  alone->broadcast(own, 0);
  EXPECT_TRUE(at::equal(own, at::full({5}, ranks->rank())));
  alone->barrier();
}

TEST(MpiCommunicator, OnlyItsMembersMakeASubgroup) {
  const auto ranks = mpi_communicator(test_world());
  if (ranks->rank() == 0) return;  // the others must not wait for this rank
  std::vector<int> members = all_ranks(*ranks);
  members.erase(members.begin());
  expect_all_to_all(*ranks->subgroup(members), at::kFloat);
}

TEST(MpiCommunicator, DroppedTransfersAreWaitedFor) {
  const auto ranks = mpi_communicator(test_world());
  const int next = (ranks->rank() + 1) % ranks->size(), previous = (ranks->rank() + ranks->size() - 1) % ranks->size();
  ranks->start_exchange(at::zeros({1 << 20}), next, 1 << 20, previous);
  EXPECT_TRUE(at::equal(ranks->start_exchange(at::ones({5}), next, 5, previous)->wait(), at::ones({5})));
}

TEST(MpiCommunicator, TwoThreadsUseACommunicatorEach) {
  const auto first = mpi_communicator(test_world()), second = mpi_communicator(test_world());
  const auto exchange = [](Communicator& ranks) {
    for (int round = 0; round < 100; ++round) expect_all_to_all(ranks, at::kFloat, 1 + 50 * round);
  };
  std::thread other([&] { exchange(*second); });
  exchange(*first);
  other.join();
}

}  // namespace
}  // namespace wf
