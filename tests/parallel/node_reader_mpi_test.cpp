// tests/parallel/node_reader_mpi_test.cpp: ranks that read together get all bytes, each of which is read once; and no
// rank waits for ever for one that fails, does not come, or asks for something else.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "parallel/node_reader.hpp"
#include "tests/parallel/all_ranks.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;
using test::everyone, test::of_all_ranks, test::sum_of_all_ranks;

constexpr Waiting impatient{.deadline = 1s};
constexpr auto in_time = 30s;  ///< long after impatient's deadline, long before the default one of ten minutes
constexpr NodeReader::Ring small{.chunk_bytes = 64, .chunks = 4};

/// The content of a file, whose bytes follow from their offsets. It counts the bytes that are read here, and checks
/// those that are used.
struct Bytes {
  std::uint64_t read_here = 0, used = 0;
  bool right = true;

  static std::byte at(std::uint64_t offset) { return static_cast<std::byte>(offset * 2654435761u >> 7); }
  NodeReader::Read read() {
    return [this](std::uint64_t begin, std::span<std::byte> into) {
      for (std::size_t i = 0; i < into.size(); ++i) into[i] = at(begin + i);
      read_here += into.size();
    };
  }
  NodeReader::Use use() {
    return [this](std::uint64_t begin, std::span<const std::byte> bytes) {
      right = right && begin == used;
      for (std::size_t i = 0; i < bytes.size(); ++i) right = right && bytes[i] == at(begin + i);
      used += bytes.size();
    };
  }
};

void nothing(std::uint64_t, std::span<const std::byte>) {}

TEST(NodeReader, AllGetAllBytesAndEachIsReadOnceWhateverTheSize) {
  NodeReader node(MPI_COMM_WORLD, everyone(), {}, small);
  for (const std::uint64_t size : {0, 1, 7, 63, 64, 65, 256, 1000, 64 * 1001 + 5, 0, 3}) {
    Bytes bytes;
    node.share("file", size, bytes.read(), bytes.use());
    EXPECT_TRUE(bytes.right) << size;
    EXPECT_EQ(bytes.used, size);
    EXPECT_EQ(sum_of_all_ranks(bytes.read_here), size);
  }
}

TEST(NodeReader, WhatHoldsOnAllRanksIsKnownToAll) {
  NodeReader node(MPI_COMM_WORLD, everyone(), {}, small);
  EXPECT_TRUE(node.all("it is so", true));
  for (int other = 0; other < test_world().size(); ++other)
    EXPECT_FALSE(node.all("it is so", test_world().rank() != other)) << other;
  EXPECT_FALSE(node.all("it is so", false));
  EXPECT_TRUE(node.all("it is so", true));
}

TEST(NodeReaderOfSeveral, RanksOfDifferentSpeedsGetAllBytes) {
  NodeReader node(MPI_COMM_WORLD, everyone(), {}, small);
  for (int slowest = 0; slowest < test_world().size(); ++slowest) {
    Bytes bytes;
    const auto use = bytes.use();
    node.share("file", 64 * 40, bytes.read(), [&](std::uint64_t begin, std::span<const std::byte> chunk) {
      std::this_thread::sleep_for(test_world().rank() == slowest ? 5ms : test_world().rank() * 1ms);
      use(begin, chunk);
    });
    EXPECT_TRUE(bytes.right);
    EXPECT_EQ(bytes.used, 64u * 40);
  }
}

TEST(NodeReaderOfSeveral, EveryRankReadsAnEqualShare) {
  const int ranks = test_world().size(), chunks = 24;  // a multiple of 2, 3 and 4
  NodeReader node(MPI_COMM_WORLD, everyone(), {}, small);
  std::uint64_t read_here = 0;
  node.share(
      "file", small.chunk_bytes * chunks, [&](std::uint64_t, std::span<std::byte>) { ++read_here; }, nothing);
  EXPECT_EQ(of_all_ranks(read_here), std::vector<std::int64_t>(static_cast<std::size_t>(ranks), chunks / ranks));
}

/// While a rank uses a chunk, it waits for the file with which another rank shows that it has read the next chunk. If
/// that rank waited until the chunk is used, the file would never come.
TEST(NodeReaderOfSeveral, ReadingGoesOnWhileOtherRanksUseWhatIsRead) {
  const auto ranks = static_cast<std::uint64_t>(test_world().size());
  constexpr std::uint64_t chunks = 24;
  const test::TempFolder own;
  const Path folder = test::of_rank_0(own.path().string());
  const auto file = [&](std::uint64_t chunk) { return folder / std::to_string(chunk); };
  NodeReader node(MPI_COMM_WORLD, everyone(), {}, small);
  node.share(
      "file", small.chunk_bytes * chunks,
      [&](std::uint64_t begin, std::span<std::byte>) { std::ofstream(file(begin / small.chunk_bytes)) << "read"; },
      [&](std::uint64_t begin, std::span<const std::byte>) {
        const std::uint64_t next = begin / small.chunk_bytes + 1;
        if (next == chunks || next % ranks == static_cast<std::uint64_t>(test_world().rank())) return;
        const auto end = std::chrono::steady_clock::now() + in_time;
        while (!std::filesystem::exists(file(next)) && std::chrono::steady_clock::now() < end)
          std::this_thread::sleep_for(1ms);
        EXPECT_TRUE(std::filesystem::exists(file(next))) << "chunk " << next << " is not read";
      });
  of_all_ranks(0);  // rank 0 removes the folder
}

TEST(NodeReader, DoesNotTakeMoreThanTheRing) {
  NodeReader node(MPI_COMM_WORLD, everyone(), {}, small);
  const std::byte* lowest = nullptr;
  const std::byte* highest = nullptr;
  node.share(
      "file", 64 * 100, [](std::uint64_t, std::span<std::byte>) {},
      [&](std::uint64_t, std::span<const std::byte> bytes) {
        EXPECT_LE(bytes.size(), small.chunk_bytes);
        lowest = lowest ? std::min(lowest, bytes.data()) : bytes.data();
        highest = std::max(highest, bytes.data() + bytes.size());
      });
  EXPECT_EQ(highest - lowest, static_cast<std::ptrdiff_t>(small.chunks * small.chunk_bytes));
}

/// The error of a call, and how long it took.
struct Failure {
  explicit Failure(const std::function<void()>& call) {
    const auto begin = std::chrono::steady_clock::now();
    try {
      call();
    } catch (const Error& error) {
      kind = error.kind();
      message = error.what();
    }
    after = std::chrono::steady_clock::now() - begin;
  }
  bool has(const std::string& part) const { return message.find(part) != std::string::npos; }

  Error::Kind kind = Error::internal;
  std::string message = "no error";
  std::chrono::duration<double> after{};
};

TEST(NodeReaderFailure, OfReadingReachesAllRanksWithItsText) {
  for (int failing = 0; failing < test_world().size(); ++failing) {
    auto node = std::make_unique<NodeReader>(MPI_COMM_WORLD, everyone(), Waiting{}, small);
    Bytes bytes;
    const auto read = [&](std::uint64_t begin, std::span<std::byte> into) {
      if (begin >= 640 && test_world().rank() == failing)
        throw Error(Error::environment, "made.bin: cannot be read: Input/output error");
      bytes.read()(begin, into);
    };
    const Failure failure([&] { node->share("file", 64 * 100, read, bytes.use()); });
    EXPECT_EQ(failure.kind, Error::environment);
    const std::string named = test_world().rank() == failing ? "" : "rank " + std::to_string(failing) + ": ";
    EXPECT_EQ(failure.message, named + "made.bin: cannot be read: Input/output error");
    EXPECT_TRUE(bytes.right);
    const Failure second([&] { node->share("file", 1, bytes.read(), bytes.use()); });
    EXPECT_TRUE(second.has("have failed before")) << second.message;
    const Failure end([&] { node.reset(); });
    EXPECT_LT(failure.after + second.after + end.after, in_time);
  }
}

TEST(NodeReaderFailure, OfUsingReachesAllRanksWithItsKind) {
  const int last = test_world().size() - 1;
  NodeReader node(MPI_COMM_WORLD, everyone(), {}, small);
  Bytes bytes;
  const Failure failure([&] {
    node.share("file", 64 * 100, bytes.read(), [&](std::uint64_t, std::span<const std::byte>) {
      if (test_world().rank() == last) throw Error(Error::resource, "no memory");
    });
  });
  EXPECT_EQ(failure.kind, Error::resource);
  EXPECT_EQ(failure.message, (test_world().rank() == last ? "" : "rank " + std::to_string(last) + ": ") + "no memory");
}

TEST(NodeReaderFailure, BetweenTwoSharesReachesAllRanks) {
  NodeReader node(MPI_COMM_WORLD, everyone(), {}, small);
  Bytes bytes;
  const Failure failure([&] {
    node.together([&] {
      node.share("first", 100, bytes.read(), bytes.use());
      if (test_world().rank() == 0) throw Error(Error::environment, "tensor x: is missing");
      node.share("second", 64 * 100, bytes.read(), nothing);
    });
  });
  EXPECT_EQ(failure.message, test_world().rank() == 0 ? "tensor x: is missing" : "rank 0: tensor x: is missing");
}

TEST(NodeReaderFailureOfSeveral, ARankThatDoesNotComeIsNamedInTime) {
  const auto together = mpi_communicator(MPI_COMM_WORLD);
  const int absent = test_world().size() - 1;
  {
    NodeReader node(MPI_COMM_WORLD, everyone(), impatient, small);
    Bytes bytes;
    if (test_world().rank() != absent) {
      const Failure failure([&] { node.share("file", 64 * 100, bytes.read(), bytes.use()); });
      EXPECT_TRUE(failure.has("in vain for rank " + std::to_string(absent))) << failure.message;
      EXPECT_LT(failure.after, in_time);
    }
    together->barrier();
  }
  together->barrier();
}

TEST(NodeReaderFailureOfSeveral, ARankThatAsksForSomethingElseIsReported) {
  NodeReader node(MPI_COMM_WORLD, everyone(), {}, small);
  Bytes bytes;
  const Failure failure(
      [&] { node.share(test_world().rank() == 0 ? "high" : "low", 64 * 100, bytes.read(), bytes.use()); });
  EXPECT_TRUE(failure.has("something else")) << failure.message;
}

TEST(NodeReaderFailureOfSeveral, TheAbortFlagEndsWaiting) {
  const auto together = mpi_communicator(MPI_COMM_WORLD);
  std::atomic<bool> abort = true;
  {
    NodeReader node(MPI_COMM_WORLD, everyone(), {.abort = &abort}, small);
    if (test_world().rank() != 0) {
      const Failure failure([&] { node.share("file", 1, nullptr, nothing); });
      EXPECT_TRUE(failure.has("was told to stop")) << failure.message;
      EXPECT_TRUE(failure.has("for rank 0")) << failure.message;
    }
    together->barrier();
  }
  together->barrier();
}

TEST(NodeReaderFailureOfSeveral, TheDestructorDoesNotWaitForEverForARankThatKeepsItsReader) {
  const auto together = mpi_communicator(MPI_COMM_WORLD);
  auto node = std::make_unique<NodeReader>(MPI_COMM_WORLD, everyone(), impatient, small);
  Bytes bytes;
  node->share("file", 100, bytes.read(), bytes.use());
  const Failure early([&] {
    if (test_world().rank() != 0) node.reset();
  });
  EXPECT_LT(early.after, in_time);
  together->barrier();
  const Failure late([&] { node.reset(); });
  EXPECT_LT(late.after, in_time);
  together->barrier();
}

TEST(NodeReader, WorksForSomeRanksInAnotherOrder) {
  const int last = test_world().size() - 1;
  if (test_world().rank() != 0 && test_world().rank() != last) return;
  const std::vector<int> members = last > 0 ? std::vector{last, 0} : std::vector{0};
  NodeReader node(MPI_COMM_WORLD, members, {}, small);
  Bytes bytes;
  node.share("file", 1000, bytes.read(), bytes.use());
  EXPECT_TRUE(bytes.right);
  EXPECT_EQ(bytes.used, 1000u);
  const Failure failure([&] {
    node.together([&] {
      if (test_world().rank() == last) throw Error(Error::environment, "on purpose");
      node.share("file", 10000, bytes.read(), nothing);
    });
  });
  EXPECT_EQ(failure.message,
            test_world().rank() == last ? "on purpose" : "rank " + std::to_string(last) + ": on purpose");
}

}  // namespace
}  // namespace wf
