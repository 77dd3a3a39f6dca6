// tests/gpu/nccl_failure_test.cpp: a call fails in time and names the ranks that it waited for in vain; the GPUs can be
// used afterwards.
#include <c10/core/DeviceGuard.h>
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "base/error.hpp"
#include "tests/gpu/own_gpu.hpp"
#include "tests/parallel/all_ranks.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using test::gpu_ranks, test::on_own_gpu, test::own_gpu;

constexpr Waiting impatient{.deadline = 3s};  // long enough for two ranks to connect

std::string failure_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::resource);
    return error.what();
  }
  return "no error";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Sends to rank 0 and receives from it. For every other rank.
void exchange_with_rank_0(Communicator& ranks) {
  const at::Tensor own = on_own_gpu(at::ones({1000}));
  ranks.start_exchange(own, 0, 1000, 0)->wait();
  ranks.barrier();
}

void connect(Communicator& ranks) {
  const int other = 1 - ranks.rank();
  ranks.start_exchange(on_own_gpu(at::ones({1000})), other, 1000, other)->wait();
  ranks.barrier();
}

/// Rank 0 does not take part. Rank 1 has to fail within seconds, with a message that holds `part`; then both destroy
/// their communicators, which must not take long either.
void expect_rank_0_missed(
    bool connected, const Waiting& waiting, const std::string& part, const std::function<void()>& meanwhile = [] {}) {
  const auto together = mpi_communicator(test_world());  // keeps both ranks until the end of the test
  auto ranks = gpu_ranks(waiting);
  if (connected) connect(*ranks);
  together->barrier();
  if (ranks->rank() == 1) {
    const auto begin = Clock::now();
    meanwhile();
    const std::string failure = failure_of([&] { exchange_with_rank_0(*ranks); });
    EXPECT_LT(Clock::now() - begin, 8s);
    EXPECT_TRUE(has(failure, part)) << failure;
    EXPECT_TRUE(has(failure, " among ranks 0, 1: rank 1 ")) << failure;
    EXPECT_EQ(failure_of([&] { ranks->barrier(); }), failure) << "a failed communicator repeats its error";
  }
  together->barrier();
  const auto begin = Clock::now();
  ranks.reset();
  EXPECT_LT(Clock::now() - begin, 10s);
  together->barrier();
}

TEST(NcclFailure, ARankThatNeverConnectsIsNamed) {
  expect_rank_0_missed(/*connected=*/false, impatient, "in vain for rank 0");
}

TEST(NcclFailure, AConnectedRankThatStopsTakingPartIsNamed) {
  expect_rank_0_missed(/*connected=*/true, impatient, "in vain for rank 0");
}

TEST(NcclFailure, TheAbortFlagEndsWaitingBeforeTheDeadline) {
  std::atomic<bool> abort = false;
  std::thread other;
  const auto abort_soon = [&] {
    other = std::thread([&] {
      std::this_thread::sleep_for(300ms);
      abort = true;
    });
  };
  expect_rank_0_missed(/*connected=*/true, {.abort = &abort}, "was told to stop", abort_soon);
  if (other.joinable()) other.join();
}

TEST(NcclFailure, RanksAreNamedByTheNamesGiven) {
  const auto together = mpi_communicator(test_world());
  std::atomic<bool> failed = false;
  const auto ranks =
      nccl_communicator(mpi_communicator(test_world()), own_gpu(), {.deadline = 3s, .failed = &failed}, {4, 6});
  if (ranks->rank() == 1) {
    const std::string failure = failure_of([&] { exchange_with_rank_0(*ranks); });
    EXPECT_TRUE(has(failure, "among ranks 4, 6: rank 6 waited 3.")) << failure;
    EXPECT_TRUE(has(failure, "in vain for rank 4")) << failure;
  }
  EXPECT_EQ(failed, ranks->rank() == 1);
  together->barrier();
}

std::int64_t free_bytes() {
  const c10::DeviceGuard guard(own_gpu());
  std::size_t free = 0, total = 0;
  EXPECT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
  return static_cast<std::int64_t>(free);
}

/// Lets a group connect and fail. Returns the free memory of the GPU in between.
std::int64_t fail_once() {
  const auto together = mpi_communicator(test_world());
  const auto ranks = gpu_ranks(impatient);
  connect(*ranks);
  const std::int64_t meanwhile = free_bytes();
  together->barrier();
  if (ranks->rank() == 1) {
    EXPECT_NE(failure_of([&] { exchange_with_rank_0(*ranks); }), "no error");
  }
  together->barrier();
  return meanwhile;
}

TEST(NcclFailure, MemoryIsFreeAfterwards) {
  constexpr std::int64_t mebibyte = 1 << 20;
  fail_once();  // memory of the libraries, allocated once, stays
  const std::int64_t before = free_bytes(), meanwhile = fail_once();
  EXPECT_LT(meanwhile, before - mebibyte) << "NCCL allocated nothing";
  const auto begin = Clock::now();
  while (free_bytes() < before - mebibyte && Clock::now() - begin < 5s) std::this_thread::sleep_for(10ms);
  EXPECT_GE(free_bytes(), before - mebibyte);
}

TEST(NcclFailure, ANewGroupOverTheSameRanksWorks) {
  const auto together = mpi_communicator(test_world());
  fail_once();
  const auto again = gpu_ranks();
  connect(*again);
  const at::Tensor all = again->all_gather(on_own_gpu(at::full({1}, again->rank(), at::kLong)), {1, 1});
  EXPECT_TRUE(at::equal(all.cpu(), at::arange(2)));
}

}  // namespace
}  // namespace wf
