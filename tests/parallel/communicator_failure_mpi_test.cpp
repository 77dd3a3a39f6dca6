// tests/parallel/communicator_failure_mpi_test.cpp: a call fails in time, and names the ranks that it waited for in
// vain.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <regex>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "parallel/mpi_communicator.hpp"
#include "parallel/rank_group.hpp"
#include "tests/mpi_main.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

constexpr Waiting impatient{.deadline = 1s};
constexpr auto in_time = 30s;  ///< long after impatient's deadline, long before the default one of ten minutes

struct Failure {
  std::string message = "no error";
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

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
bool matches(const std::string& text, const std::string& pattern) {
  return std::regex_search(text, std::regex(pattern));
}

Counts ones(const Communicator& ranks) { return Counts(static_cast<std::size_t>(ranks.size()), 1); }

/// Rank 0 does not make the call. On all other ranks it has to fail in time, with a message that names the call, this
/// rank, and the missing ranks as `missing`, a regular expression.
void expect_rank_0_missed(const std::string& name, const std::function<void(Communicator&)>& call,
                          const std::string& missing) {
  const auto together = mpi_communicator(test_world());  // keeps all ranks until the end of the test
  const auto ranks = mpi_communicator(MPI_COMM_WORLD, impatient);
  if (ranks->rank() > 0) {
    const Failure failure = failure_of([&] { call(*ranks); });
    const std::string own = "^" + name + ": rank " + std::to_string(ranks->rank());
    EXPECT_TRUE(matches(failure.message, own + " waited [0-9.]+ s in vain for " + missing + "$")) << failure.message;
    EXPECT_GE(failure.after, impatient.deadline);
    EXPECT_LT(failure.after, in_time);
  }
  together->barrier();
}

TEST(MpiFailure, ARankThatDoesNotTakePartInAllToAllIsNamed) {
  expect_rank_0_missed(
      "all_to_all", [](auto& ranks) { ranks.all_to_all(at::ones({ranks.size()}), ones(ranks), ones(ranks)); },
      "rank 0");
}

TEST(MpiFailure, ARankThatDoesNotTakePartInAllGatherIsNamed) {
  expect_rank_0_missed(
      "all_gather",
      [](auto& ranks) {
        ranks.all_gather(at::ones({1, 3}), ones(ranks));
      },
      "rank 0");
}

constexpr const char* rank_0_among_others = "ranks? 0(, [0-9]+)*";

TEST(MpiFailure, ARootThatDoesNotBroadcastIsAmongThoseNamed) {
  expect_rank_0_missed(
      "broadcast", [](auto& ranks) { ranks.broadcast(at::ones({3}), 0); }, rank_0_among_others);
}

TEST(MpiFailure, ARankThatDoesNotComeToTheBarrierIsAmongThoseNamed) {
  expect_rank_0_missed(
      "barrier", [](auto& ranks) { ranks.barrier(); }, rank_0_among_others);
}

TEST(MpiFailure, MemoryThatATensorDoesNotOwnIsRefused) {
  const auto ranks = mpi_communicator(test_world());
  std::vector<float> numbers(3);
  try {
    ranks->broadcast(at::from_blob(numbers.data(), {3}, at::kFloat), 0);
    ADD_FAILURE() << "MPI might write there after a failure, when the memory has been freed";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::internal);
    EXPECT_TRUE(has(error.what(), "owns_its_memory")) << error.what();
  }
  ranks->barrier();
}

/// The others give up between the number of bytes and the bytes themselves, which then arrive where nobody waits any
/// more. AddressSanitizer would see it if that memory had been freed.
TEST(MpiFailure, BytesFromTheLeaderMayArriveAfterTheOthersHaveGivenUp) {
  const auto together = mpi_communicator(test_world());
  auto ranks = mpi_communicator(MPI_COMM_WORLD, impatient);
  const int rank = ranks->rank();
  if (rank == 0) {
    ranks->broadcast(at::full({1}, 1000, at::kLong), 0);
  } else {
    const RankGroup group(std::move(ranks), {.guidance = 1, .ulysses = 0, .ring = 1});
    const Failure failure = failure_of([&] { group.from_leader(Bytes()); });
    EXPECT_TRUE(matches(failure.message, "^broadcast: rank [0-9]+ waited")) << failure.message;
  }
  together->barrier();
  if (rank == 0) failure_of([&] { ranks->broadcast(at::full({1000}, 7, at::kByte), 0); });
  together->barrier();  // MPI makes progress here
}

TEST(MpiFailure, RanksOfASubgroupAreNamedByTheirRankInTheWorld) {
  const auto together = mpi_communicator(test_world());
  const int last = together->size() - 1;
  const auto ranks = mpi_communicator(MPI_COMM_WORLD, impatient);
  if (ranks->rank() == 0 || ranks->rank() == last) {
    const auto pair = ranks->subgroup({last, 0});
    if (ranks->rank() == 0) {
      const Failure failure = failure_of([&] { pair->start_exchange(at::ones({1}), 0, 1, 0)->wait(); });
      EXPECT_TRUE(has(failure.message, "exchange: rank 0 waited")) << failure.message;
      EXPECT_TRUE(has(failure.message, "for rank " + std::to_string(last))) << failure.message;
    }
  }
  together->barrier();
}

TEST(MpiFailure, AfterwardsTheCommunicatorRefusesToBeginAndOthersStillWork) {
  const auto together = mpi_communicator(test_world());
  std::atomic<bool> failed = false;
  const auto ranks = mpi_communicator(MPI_COMM_WORLD, {.deadline = 1s, .failed = &failed});
  if (ranks->rank() > 0) {
    const auto transfer = ranks->start_exchange(at::ones({1}), 0, 1, 0);  // its destructor must not wait
    failure_of([&] { ranks->barrier(); });
    const Failure second = failure_of([&] { ranks->barrier(); });
    EXPECT_TRUE(has(second.message, "cannot begin: these ranks have failed before")) << second.message;
  }
  EXPECT_EQ(failed, ranks->rank() > 0);
  together->barrier();
  EXPECT_TRUE(at::equal(together->all_gather(at::ones({1, 2}), ones(*together)), at::ones({together->size(), 2})));
}

TEST(MpiFailure, TheAbortFlagEndsWaitingBeforeTheDeadline) {
  const auto together = mpi_communicator(test_world());
  std::atomic<bool> abort = false;
  const auto ranks = mpi_communicator(MPI_COMM_WORLD, {.abort = &abort});
  if (ranks->rank() > 0) {
    std::thread other([&] {
      std::this_thread::sleep_for(300ms);  // most likely the barrier is waiting by then
      abort = true;
    });
    const Failure failure = failure_of([&] { ranks->barrier(); });
    other.join();
    EXPECT_TRUE(has(failure.message, "was told to stop")) << failure.message;
    EXPECT_LT(failure.after, in_time);
  }
  together->barrier();
}

TEST(MpiFailure, BlocksOfAnotherSizeThanExpectedAreReported) {
  const auto together = mpi_communicator(test_world());
  for (const std::int64_t sent : {3, 5}) {  // 4 are expected
    const auto ranks = mpi_communicator(MPI_COMM_WORLD, impatient);
    if (ranks->rank() == 0) ranks->start_exchange(at::ones({sent}), 1, 0, 1)->wait();
    if (ranks->rank() == 1) {
      const Failure failure = failure_of([&] { ranks->start_exchange(at::empty({0}), 0, 4, 0)->wait(); });
      EXPECT_TRUE(has(failure.message, sent < 4 ? "got 12 bytes from rank 0 instead of 16" : "MPI_ERR_TRUNCATE"))
          << failure.message;
    }
    together->barrier();
  }
}

}  // namespace
}  // namespace wf
