// tests/parallel/communicator_mpi_test.cpp: every rank knows what it has to receive; run on 1, 2, 3 and 4 ranks.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>

#include "parallel/mpi_communicator.hpp"
#include "tests/mpi_main.hpp"

namespace wf {
namespace {

std::vector<int> all_ranks(const Communicator& ranks) {
  std::vector<int> members(static_cast<std::size_t>(ranks.size()));
  std::iota(members.begin(), members.end(), 0);
  return members;
}

/// What rank `from` has for rank `to`: as many elements as amount() says, none of them equal to another pair's.
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

TEST(MpiCommunicator, HasTheWorldsRanks) {
  const auto ranks = test_world().communicator();
  EXPECT_EQ(ranks->rank(), test_world().rank());
  EXPECT_EQ(ranks->size(), test_world().size());
}

TEST(World, RanksOfThisMachineAreCounted) {
  EXPECT_EQ(std::ssize(test_world().hosts()), test_world().size());
  const NodePlace all_here{.local_rank = test_world().rank(), .local_size = test_world().size()};
  EXPECT_EQ(test_world().place(), all_here);
}

TEST(MpiCommunicator, AllToAllBringsEachBlockToItsRankWhateverTheDtype) {
  const auto ranks = test_world().communicator();
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kLong, at::kBool, at::kByte})
    expect_all_to_all(*ranks, dtype);
}

TEST(MpiCommunicator, LongMessagesTravelInPieces) {
  const auto ranks = mpi_communicator(MPI_COMM_WORLD, {.piece = 37});  // cuts elements, and leaves a rest
  expect_all_to_all(*ranks, at::kLong, 100);
  const at::Tensor numbers = ranks->rank() == 0 ? at::arange(100) : at::zeros({100}, at::kLong);
  ranks->broadcast(numbers, 0);
  EXPECT_TRUE(at::equal(numbers, at::arange(100)));
}

TEST(MpiCommunicator, BlocksBeyondWhatIsBufferedArrive) {
  const auto ranks = test_world().communicator();
  expect_all_to_all(*ranks, at::kFloat, 1 << 18);  // 1 to 3 MiB
}

TEST(MpiCommunicator, ExchangeShiftsAroundTheRing) {
  const auto ranks = test_world().communicator();
  const int next = (ranks->rank() + 1) % ranks->size(), previous = (ranks->rank() + ranks->size() - 1) % ranks->size();
  // Two at once, of different lengths, the second one empty for some: as keys and values go around.
  const auto first = ranks->start_exchange(at::full({3}, ranks->rank()), next, 3, previous);
  const auto second = ranks->start_exchange(at::full({ranks->rank()}, 7), next, previous, previous);
  EXPECT_TRUE(at::equal(second->wait(), at::full({previous}, 7)));
  EXPECT_TRUE(at::equal(first->wait(), at::full({3}, previous)));
}

TEST(MpiCommunicator, AllGatherJoinsShardsInRankOrder) {
  const auto ranks = test_world().communicator();
  Counts rows;
  for (const int rank : all_ranks(*ranks)) rows.push_back((rank + 2) % 3);  // 2, 0, 1, 2: an empty one
  const std::int64_t all = std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
  const std::int64_t before = std::accumulate(rows.begin(), rows.begin() + ranks->rank(), std::int64_t{0});
  const at::Tensor whole = at::arange(all * 6).reshape({all, 2, 3}).to(at::kBFloat16);
  const std::int64_t own = rows[static_cast<std::size_t>(ranks->rank())];
  EXPECT_TRUE(at::equal(ranks->all_gather(whole.narrow(0, before, own), rows), whole));
}

TEST(MpiCommunicator, BroadcastReplacesEveryonesByTheRoots) {
  const auto ranks = test_world().communicator();
  for (const int root : all_ranks(*ranks)) {
    const at::Tensor numbers = at::full({2, 5}, ranks->rank(), at::kFloat);
    ranks->broadcast(numbers, root);
    EXPECT_TRUE(at::equal(numbers, at::full({2, 5}, root, at::kFloat)));
  }
}

TEST(MpiCommunicator, NobodyLeavesABarrierBeforeAllHaveCome) {
  const auto ranks = test_world().communicator();
  const auto begin = std::chrono::steady_clock::now();
  if (ranks->rank() == ranks->size() - 1) std::this_thread::sleep_for(std::chrono::milliseconds(300));
  ranks->barrier();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(200));
}

TEST(MpiCommunicator, SubgroupsHaveTheOrderGivenAndMayBeAlone) {
  const auto ranks = test_world().communicator();
  std::vector<int> backwards = all_ranks(*ranks);
  std::reverse(backwards.begin(), backwards.end());
  const auto turned = ranks->subgroup(backwards);
  EXPECT_EQ(turned->rank(), ranks->size() - 1 - ranks->rank());
  expect_all_to_all(*turned, at::kFloat);
  const auto alone = turned->subgroup({turned->rank()});
  EXPECT_EQ(alone->size(), 1);
  expect_all_to_all(*alone, at::kFloat);
  alone->barrier();
}

TEST(MpiCommunicator, OnlyItsMembersMakeASubgroup) {
  const auto ranks = test_world().communicator();
  if (ranks->rank() == 0) return;  // the others must not wait for it
  std::vector<int> members = all_ranks(*ranks);
  members.erase(members.begin());
  expect_all_to_all(*ranks->subgroup(members), at::kFloat);
}

TEST(MpiCommunicator, DroppedTransfersAreWaitedFor) {
  const auto ranks = test_world().communicator();
  const int next = (ranks->rank() + 1) % ranks->size(), previous = (ranks->rank() + ranks->size() - 1) % ranks->size();
  ranks->start_exchange(at::zeros({1 << 20}), next, 1 << 20, previous);
  EXPECT_TRUE(at::equal(ranks->start_exchange(at::ones({5}), next, 5, previous)->wait(), at::ones({5})));
}

TEST(MpiCommunicator, TwoThreadsUseOneEach) {
  const auto first = test_world().communicator(), second = test_world().communicator();
  const auto talk = [](Communicator& ranks) {
    for (int round = 0; round < 100; ++round) expect_all_to_all(ranks, at::kFloat, 1 + 50 * round);
  };
  std::thread other([&] { talk(*second); });
  talk(*first);
  other.join();
}

}  // namespace
}  // namespace wf
