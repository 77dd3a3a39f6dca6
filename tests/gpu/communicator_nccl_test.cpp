// tests/gpu/communicator_nccl_test.cpp: the communicator for CUDA tensors gives the results of the one for CPU tensors,
// and the host does not wait for it.
#include <ATen/cuda/Sleep.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>

#include "parallel/device.hpp"
#include "tests/gpu/own_gpu.hpp"
#include "tests/parallel/all_ranks.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using test::everyone, test::gpu_ranks, test::on_own_gpu, test::own_gpu;

constexpr at::ScalarType dtypes[] = {at::kFloat, at::kBFloat16, at::kHalf, at::kLong, at::kBool, at::kByte};

/// Numbers that differ from rank to rank.
at::Tensor numbers(at::IntArrayRef shape, at::ScalarType dtype) {
  const std::int64_t count = c10::multiply_integers(shape);
  return at::arange(count).mul(7).add(100 * test_world().rank()).remainder(251).reshape(shape).to(dtype);
}

int next(const Communicator& ranks) { return (ranks.rank() + 1) % ranks.size(); }
int previous(const Communicator& ranks) { return (ranks.rank() + ranks.size() - 1) % ranks.size(); }

void expect_same(const at::Tensor& gpu, const at::Tensor& cpu, const std::string& what) {
  EXPECT_EQ(gpu.device(), own_gpu()) << what;
  EXPECT_EQ(gpu.scalar_type(), cpu.scalar_type()) << what;
  EXPECT_TRUE(at::equal(gpu.cpu(), cpu)) << what;
}

/// Both communicators, over the same ranks.
struct Communicators {
  std::unique_ptr<Communicator> mpi = mpi_communicator(test_world()), nccl = gpu_ranks();
};

using Amount = std::function<std::int64_t(int from, int to)>;

void expect_same_all_to_all(Communicator& mpi, Communicator& nccl, const Amount& amount, at::ScalarType dtype) {
  Counts out, in;
  for (int other = 0; other < mpi.size(); ++other) {
    out.push_back(amount(mpi.rank(), other));
    in.push_back(amount(other, mpi.rank()));
  }
  std::int64_t count = 0;
  for (const std::int64_t block : out) count += block;
  const at::Tensor send = numbers({count}, dtype);
  expect_same(nccl.all_to_all(on_own_gpu(send), out, in), mpi.all_to_all(send, out, in), "all_to_all");
}

TEST(NcclCommunicator, AllToAllEqualsMpis) {
  const Communicators both;
  const Amount amounts[] = {
      [](int, int) { return 0; }, [](int, int) { return 1; }, [](int from, int to) { return (3 * from + 2 * to) % 4; },
      [](int from, int to) { return from < to ? 1001 : 0; }, [](int from, int to) { return from == to ? 5 : 0; }};
  for (const at::ScalarType dtype : dtypes)
    for (const Amount& amount : amounts) expect_same_all_to_all(*both.mpi, *both.nccl, amount, dtype);
}

TEST(NcclCommunicator, LongBlocksArriveComplete) {
  const Communicators both;  // 64 MB, and a little more on some ranks
  expect_same_all_to_all(
      *both.mpi, *both.nccl, [](int from, int to) { return (1 << 25) + from + 2 * to; }, at::kBFloat16);
}

TEST(NcclCommunicator, ExchangeEqualsMpis) {
  const Communicators both;
  const int to = next(*both.mpi), from = previous(*both.mpi);
  for (const at::ScalarType dtype : dtypes) {
    for (const std::int64_t unit : {0, 1, 1000}) {  // rank r sends unit * r + 1 and, at once, unit * r
      const at::Tensor first = numbers({unit * both.mpi->rank() + 1}, dtype),
                       second = first.narrow(0, 1, first.numel() - 1);
      const auto exchange = [&](Communicator& ranks, const at::Tensor& a, const at::Tensor& b) {
        const auto one = ranks.start_exchange(a, to, unit * from + 1, from);
        const auto two = ranks.start_exchange(b, to, unit * from, from);
        const at::Tensor of_two = two->wait();
        return std::pair(one->wait(), of_two);
      };
      const auto cpu = exchange(*both.mpi, first, second),
                 gpu = exchange(*both.nccl, on_own_gpu(first), on_own_gpu(second));
      expect_same(gpu.first, cpu.first, "the longer tensor");
      expect_same(gpu.second, cpu.second, "the shorter tensor");
    }
  }
}

TEST(NcclCommunicator, AllGatherEqualsMpis) {
  const Communicators both;
  const auto rank = static_cast<std::size_t>(both.mpi->rank());
  for (const Counts& all : {Counts{2, 0, 1, 3}, Counts{0, 1, 0, 7}, Counts{0, 0, 0, 0}, Counts{1, 1, 1, 1}}) {
    const Counts rows(all.begin(), all.begin() + both.mpi->size());
    for (const at::ScalarType dtype : dtypes) {
      const at::Tensor shard = numbers({rows.at(rank), 3, 2}, dtype);
      expect_same(both.nccl->all_gather(on_own_gpu(shard), rows), both.mpi->all_gather(shard, rows), "all_gather");
    }
  }
}

TEST(NcclCommunicator, BroadcastEqualsMpis) {
  const Communicators both;
  for (const int root : everyone()) {
    for (const at::ScalarType dtype : dtypes) {
      for (const std::int64_t count : {0, 1, 333}) {
        const at::Tensor cpu = numbers({count, 3}, dtype), gpu = on_own_gpu(cpu);
        both.mpi->broadcast(cpu, root);
        both.nccl->broadcast(gpu, root);
        expect_same(gpu, cpu, "broadcast");
      }
    }
  }
}

TEST(NcclCommunicator, NobodyLeavesABarrierBeforeAllHaveCome) {
  const auto ranks = gpu_ranks();
  ranks->barrier();
  const auto begin = Clock::now();
  if (ranks->rank() == 0) std::this_thread::sleep_for(300ms);
  ranks->barrier();
  EXPECT_GE(Clock::now() - begin, 200ms);
}

TEST(NcclCommunicator, SubgroupsHaveTheOrderGivenAndMayBeAlone) {
  const Communicators both;
  std::vector<int> backwards = everyone();
  std::reverse(backwards.begin(), backwards.end());
  const auto mpi = both.mpi->subgroup(backwards), nccl = both.nccl->subgroup(backwards);
  EXPECT_EQ(nccl->rank(), mpi->rank());
  expect_same_all_to_all(
      *mpi, *nccl, [](int from, int to) { return 3 + from + 2 * to; }, at::kFloat);
  const auto alone = nccl->subgroup({nccl->rank()});
  const at::Tensor own = on_own_gpu(numbers({5}, at::kFloat));
  EXPECT_TRUE(at::equal(alone->all_to_all(own, {5}, {5}), own));
  EXPECT_TRUE(at::equal(alone->all_gather(own, {5}), own));
  EXPECT_TRUE(at::equal(alone->start_exchange(own, 0, 5, 0)->wait(), own));
  alone->broadcast(own, 0);
  alone->barrier();
}

/// Queues work on the current stream that keeps the GPU busy for about `time`.
void keep_busy(std::chrono::milliseconds time) { at::cuda::sleep(time.count() * 1'900'000); }  // cycles at 1.9 GHz

TEST(NcclCommunicator, TheHostDoesNotWaitForTransfers) {
  const auto ranks = gpu_ranks();
  const c10::DeviceGuard guard(own_gpu());
  const at::Tensor own = on_own_gpu(at::full({1000}, ranks->rank(), at::kFloat));
  const auto shifted = [&] { return ranks->start_exchange(own, next(*ranks), 1000, previous(*ranks))->wait() + 1; };
  keep_busy(1ms);  // at the first exchange, ranks connect and kernels are loaded
  shifted();
  ranks->barrier();
  const auto begin = Clock::now();
  keep_busy(1s);
  const at::Tensor got = shifted();
  EXPECT_LT(Clock::now() - begin, 500ms);
  synchronize(own_gpu());
  EXPECT_GT(Clock::now() - begin, 600ms) << "the GPU was not busy long enough";
  EXPECT_TRUE(at::equal(got.cpu(), at::full({1000}, previous(*ranks) + 1, at::kFloat)));
}

TEST(NcclCommunicator, WhatTheStreamComputesIsSentAndItsMemoryIsKeptUntilThen) {
  const auto ranks = gpu_ranks();
  const c10::DeviceGuard guard(own_gpu());
  constexpr std::int64_t count = 1 << 22;
  at::Tensor sum = at::zeros({count}, at::device(own_gpu()).dtype(at::kFloat));
  for (int round = 0; round < 50; ++round) {
    keep_busy(2ms);
    const auto coming =
        ranks->start_exchange(at::full_like(sum, ranks->rank() + round), next(*ranks), count, previous(*ranks));
    at::full_like(sum, -1);  // would get the memory of the tensor that is being sent, if that were free
    sum += coming->wait();
  }
  EXPECT_TRUE(at::equal(sum.cpu(), at::full({count}, 50 * previous(*ranks) + 49 * 25, at::kFloat)));
}

TEST(NcclCommunicator, ADroppedTransferIsComplete) {
  const auto ranks = gpu_ranks();
  const c10::DeviceGuard guard(own_gpu());
  const at::Tensor own = on_own_gpu(at::zeros({1 << 24}));
  ranks->start_exchange(own, next(*ranks), 1 << 24, previous(*ranks));
  const at::Tensor ones = on_own_gpu(at::ones({5}));
  EXPECT_TRUE(at::equal(ranks->start_exchange(ones, next(*ranks), 5, previous(*ranks))->wait(), ones));
}

}  // namespace
}  // namespace wf
