// tests/parallel/communicator_failure_mpi_test.cpp: ranks that are waited for in vain are named, and in time.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "cluster/error.hpp"
#include "parallel/mpi_communicator.hpp"
#include "tests/mpi_main.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

constexpr MpiWaiting impatient{.deadline = 1s};

struct Failure {
  std::string words = "no error";
  std::chrono::duration<double> after{};
};

Failure failure_of(const std::function<void()>& call) {
  const auto begin = std::chrono::steady_clock::now();
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::resource);
    return {error.what(), std::chrono::steady_clock::now() - begin};
  }
  return {};
}

bool has(const std::string& words, const std::string& part) { return words.find(part) != std::string::npos; }

Counts ones(const Communicator& ranks) { return Counts(static_cast<std::size_t>(ranks.size()), 1); }

/// Rank 0 stays away from `call`; all others are to fail, within seconds, with these words.
void expect_rank_0_missed(const std::function<void(Communicator&)>& call, const std::string& words) {
  const auto together = test_world().communicator();  // brings all ranks to the end of the test at once
  const auto ranks = mpi_communicator(MPI_COMM_WORLD, impatient);
  if (ranks->rank() > 0) {
    const Failure failure = failure_of([&] { call(*ranks); });
    EXPECT_TRUE(has(failure.words, words)) << failure.words;
    EXPECT_TRUE(has(failure.words, ": rank " + std::to_string(ranks->rank()) + " waited 1.")) << failure.words;
    EXPECT_GE(failure.after, 1s);
    EXPECT_LT(failure.after, 4s);
  }
  together->barrier();
}

TEST(MpiFailure, ARankThatDoesNotTakePartInAllToAllIsNamed) {
  expect_rank_0_missed([](auto& ranks) { ranks.all_to_all(at::ones({ranks.size()}), ones(ranks), ones(ranks)); },
                       "in vain for rank 0");
}

TEST(MpiFailure, ARankThatDoesNotTakePartInAllGatherIsNamed) {
  expect_rank_0_missed([](auto& ranks) { ranks.all_gather(at::ones({1, 3}), ones(ranks)); }, "in vain for rank 0");
}

TEST(MpiFailure, ARootThatDoesNotBroadcastIsAmongThoseNamed) {
  expect_rank_0_missed([](auto& ranks) { ranks.broadcast(at::ones({3}), 0); }, " 0");
}

TEST(MpiFailure, ARankThatDoesNotComeToTheBarrierIsAmongThoseNamed) {
  expect_rank_0_missed([](auto& ranks) { ranks.barrier(); }, "barrier: ");
}

TEST(MpiFailure, RanksOfASubgroupAreNamedByTheirRankInTheWorld) {
  const auto together = test_world().communicator();
  const int last = together->size() - 1;
  const auto ranks = mpi_communicator(MPI_COMM_WORLD, impatient);
  if (ranks->rank() == 0 || ranks->rank() == last) {
    const auto pair = ranks->subgroup({last, 0});
    if (ranks->rank() == 0) {
      const Failure failure = failure_of([&] { pair->start_exchange(at::ones({1}), 0, 1, 0)->wait(); });
      EXPECT_TRUE(has(failure.words, "exchange: rank 0 waited")) << failure.words;
      EXPECT_TRUE(has(failure.words, "for rank " + std::to_string(last))) << failure.words;
    }
  }
  together->barrier();
}

TEST(MpiFailure, AfterwardsTheCommunicatorRefusesAtOnceAndTheOthersGoOn) {
  const auto together = test_world().communicator();
  std::atomic<bool> failed = false;
  const auto ranks = mpi_communicator(MPI_COMM_WORLD, {.deadline = 1s, .failed = &failed});
  if (ranks->rank() > 0) {
    const auto transfer = ranks->start_exchange(at::ones({1}), 0, 1, 0);  // dropped after the failure: no second wait
    failure_of([&] { ranks->barrier(); });
    const Failure second = failure_of([&] { ranks->barrier(); });
    EXPECT_TRUE(has(second.words, "have failed before")) << second.words;
    EXPECT_LT(second.after, 500ms);
  }
  EXPECT_EQ(failed, ranks->rank() > 0);
  together->barrier();
  EXPECT_TRUE(at::equal(together->all_gather(at::ones({1, 2}), ones(*together)), at::ones({together->size(), 2})));
}

TEST(MpiFailure, TheAbortFlagEndsWaitingBeforeTheDeadline) {
  const auto together = test_world().communicator();
  std::atomic<bool> abort = false;
  const auto ranks = mpi_communicator(MPI_COMM_WORLD, {.abort = &abort});
  if (ranks->rank() > 0) {
    std::thread other([&] {
      std::this_thread::sleep_for(300ms);
      abort = true;
    });
    const Failure failure = failure_of([&] { ranks->barrier(); });
    other.join();
    EXPECT_TRUE(has(failure.words, "was told to stop")) << failure.words;
    EXPECT_LT(failure.after, 3s);
  }
  together->barrier();
}

TEST(MpiFailure, BlocksOfAnotherSizeThanExpectedAreNoticed) {
  const auto together = test_world().communicator();
  for (const std::int64_t sent : {3, 5}) {  // of the 4 expected
    const auto ranks = mpi_communicator(MPI_COMM_WORLD, impatient);
    if (ranks->rank() == 0) ranks->start_exchange(at::ones({sent}), 1, 0, 1)->wait();
    if (ranks->rank() == 1) {
      const Failure failure = failure_of([&] { ranks->start_exchange(at::empty({0}), 0, 4, 0)->wait(); });
      EXPECT_TRUE(has(failure.words, sent < 4 ? "got 12 bytes from rank 0 instead of 16" : "MPI_ERR_TRUNCATE"))
          << failure.words;
    }
    together->barrier();
  }
}

}  // namespace
}  // namespace wf
