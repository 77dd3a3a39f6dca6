// tests/parallel/node_reader_mpi_test.cpp: ranks that read together get all bytes, of which each is read once; and none
// waits for ever for a rank that fails, stays away, or wants something else.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "parallel/node_reader.hpp"
#include "tests/parallel/all_ranks.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;
using test::everyone, test::of_all_ranks, test::sum_of_all_ranks;

constexpr MpiWaiting impatient{.deadline = 1s};
constexpr NodeReader::Ring small{.piece_bytes = 64, .pieces = 4};

/// A made file: its bytes depend on where they are. It counts what is read and looks at what is got.
struct Bytes {
  std::uint64_t read_here = 0, got = 0;
  bool right = true;

  static std::byte at(std::uint64_t place) { return static_cast<std::byte>(place * 2654435761u >> 7); }
  NodeReader::Read read() {
    return [this](std::uint64_t begin, std::span<std::byte> into) {
      for (std::size_t i = 0; i < into.size(); ++i) into[i] = at(begin + i);
      read_here += into.size();
    };
  }
  NodeReader::Use use() {
    return [this](std::uint64_t begin, std::span<const std::byte> bytes) {
      right = right && begin == got;
      for (std::size_t i = 0; i < bytes.size(); ++i) right = right && bytes[i] == at(begin + i);
      got += bytes.size();
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
    EXPECT_EQ(bytes.got, size);
    EXPECT_EQ(sum_of_all_ranks(bytes.read_here), size);
  }
}

TEST(NodeReader, RanksOfDifferentSpeedsGetAllBytes) {
  NodeReader node(MPI_COMM_WORLD, everyone(), {}, small);
  for (int slowest = 0; slowest < test_world().size(); ++slowest) {
    Bytes bytes;
    const auto use = bytes.use();
    node.share("file", 64 * 40, bytes.read(), [&](std::uint64_t begin, std::span<const std::byte> piece) {
      std::this_thread::sleep_for(test_world().rank() == slowest ? 5ms : test_world().rank() * 1ms);
      use(begin, piece);
    });
    EXPECT_TRUE(bytes.right);
    EXPECT_EQ(bytes.got, 64u * 40);
  }
}

TEST(NodeReader, ReadingIsSharedEvenlyAndGoesOnWhileOthersUseWhatIsRead) {
  constexpr int pieces = 24;
  NodeReader node(MPI_COMM_WORLD, everyone(), {}, small);
  std::uint64_t read_here = 0;
  of_all_ranks(0);  // begin together
  const auto begin = std::chrono::steady_clock::now();
  node.share(
      "file", 64 * pieces,
      [&](std::uint64_t, std::span<std::byte>) {
        std::this_thread::sleep_for(20ms);
        ++read_here;
      },
      [&](std::uint64_t, std::span<const std::byte>) { std::this_thread::sleep_for(20ms); });
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  const int ranks = test_world().size();
  EXPECT_EQ(of_all_ranks(read_here), std::vector<std::int64_t>(static_cast<std::size_t>(ranks), pieces / ranks));
  const double one_after_the_other = 40.0 * pieces, overlapping = 20.0 * pieces * (1 + 1.0 / ranks);
  std::printf("%d ranks: %.0f ms; at best %.0f ms, one after the other %.0f ms\n", ranks, took.count(), overlapping,
              one_after_the_other);
  if (ranks > 1) {
    EXPECT_LT(took.count(), (overlapping + one_after_the_other) / 2);
  }
}

TEST(NodeReader, DoesNotTakeMoreThanTheRing) {
  NodeReader node(MPI_COMM_WORLD, everyone(), {}, small);
  const std::byte* lowest = nullptr;
  const std::byte* highest = nullptr;
  node.share(
      "file", 64 * 100, [](std::uint64_t, std::span<std::byte>) {},
      [&](std::uint64_t, std::span<const std::byte> bytes) {
        EXPECT_LE(bytes.size(), small.piece_bytes);
        lowest = lowest ? std::min(lowest, bytes.data()) : bytes.data();
        highest = std::max(highest, bytes.data() + bytes.size());
      });
  EXPECT_EQ(highest - lowest, static_cast<std::ptrdiff_t>(small.pieces * small.piece_bytes));
}

/// What all ranks say when they share in a way that fails, and how long it took them. They end the test together.
struct Failure {
  explicit Failure(const std::function<void()>& call) {
    const auto begin = std::chrono::steady_clock::now();
    try {
      call();
    } catch (const Error& error) {
      kind = error.kind();
      words = error.what();
    }
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  bool says(const std::string& part) const { return words.find(part) != std::string::npos; }

  Error::Kind kind = Error::internal;
  std::string words = "no error";
  double seconds = 0;
};

TEST(NodeReaderFailure, OfReadingIsToldToAllInItsWords) {
  for (int failing = 0; failing < test_world().size(); ++failing) {
    auto node = std::make_unique<NodeReader>(MPI_COMM_WORLD, everyone(), MpiWaiting{}, small);
    Bytes bytes;
    const auto read = [&](std::uint64_t begin, std::span<std::byte> into) {
      if (begin >= 640 && test_world().rank() == failing)
        throw Error(Error::environment, "made.bin: cannot be read: Input/output error");
      bytes.read()(begin, into);
    };
    const Failure failure([&] { node->share("file", 64 * 100, read, bytes.use()); });
    EXPECT_EQ(failure.kind, Error::environment);
    const std::string named = test_world().rank() == failing ? "" : "rank " + std::to_string(failing) + ": ";
    EXPECT_EQ(failure.words, named + "made.bin: cannot be read: Input/output error");
    EXPECT_TRUE(bytes.right);
    const Failure second([&] { node->share("file", 1, bytes.read(), bytes.use()); });
    EXPECT_TRUE(second.says("have failed before")) << second.words;
    const Failure end([&] { node.reset(); });
    EXPECT_LT(failure.seconds + second.seconds + end.seconds, 5);
  }
}

TEST(NodeReaderFailure, OfUsingIsToldToAllWithItsKind) {
  const int last = test_world().size() - 1;
  NodeReader node(MPI_COMM_WORLD, everyone(), {}, small);
  Bytes bytes;
  const Failure failure([&] {
    node.share("file", 64 * 100, bytes.read(), [&](std::uint64_t, std::span<const std::byte>) {
      if (test_world().rank() == last) throw Error(Error::resource, "no memory");
    });
  });
  EXPECT_EQ(failure.kind, Error::resource);
  EXPECT_EQ(failure.words, (test_world().rank() == last ? "" : "rank " + std::to_string(last) + ": ") + "no memory");
}

TEST(NodeReaderFailure, BetweenTwoSharesIsToldToAll) {
  NodeReader node(MPI_COMM_WORLD, everyone(), {}, small);
  Bytes bytes;
  const Failure failure([&] {
    node.together([&] {
      node.share("first", 100, bytes.read(), bytes.use());
      if (test_world().rank() == 0) throw Error(Error::environment, "tensor x: is missing");
      node.share("second", 64 * 100, bytes.read(), nothing);
    });
  });
  EXPECT_EQ(failure.words, test_world().rank() == 0 ? "tensor x: is missing" : "rank 0: tensor x: is missing");
}

TEST(NodeReaderFailure, ARankThatDoesNotComeIsNamedInTime) {
  const auto together = mpi_communicator(MPI_COMM_WORLD);
  const int absent = test_world().size() - 1;
  {
    NodeReader node(MPI_COMM_WORLD, everyone(), impatient, small);
    Bytes bytes;
    if (test_world().rank() != absent) {
      const Failure failure([&] { node.share("file", 64 * 100, bytes.read(), bytes.use()); });
      EXPECT_TRUE(failure.says("in vain for rank " + std::to_string(absent))) << failure.words;
      EXPECT_LT(failure.seconds, 4);
    }
    together->barrier();
  }
  together->barrier();
}

TEST(NodeReaderFailure, ARankThatAsksForSomethingElseIsNamed) {
  if (test_world().size() == 1) return;  // nobody to disagree with
  NodeReader node(MPI_COMM_WORLD, everyone(), {}, small);
  Bytes bytes;
  const Failure failure(
      [&] { node.share(test_world().rank() == 0 ? "high" : "low", 64 * 100, bytes.read(), bytes.use()); });
  EXPECT_TRUE(failure.says("something else")) << failure.words;
}

TEST(NodeReaderFailure, TheAbortFlagEndsWaiting) {
  const auto together = mpi_communicator(MPI_COMM_WORLD);
  std::atomic<bool> abort = true;
  {
    NodeReader node(MPI_COMM_WORLD, everyone(), {.abort = &abort}, small);
    if (test_world().rank() != 0) {
      const Failure failure([&] { node.share("file", 1, nullptr, nothing); });
      EXPECT_TRUE(failure.says("was told to stop")) << failure.words;
      EXPECT_TRUE(failure.says("for rank 0")) << failure.words;
    }
    together->barrier();
  }
  together->barrier();
}

TEST(NodeReaderFailure, TheEndDoesNotWaitForEverForARankThatStays) {
  const auto together = mpi_communicator(MPI_COMM_WORLD);
  auto node = std::make_unique<NodeReader>(MPI_COMM_WORLD, everyone(), impatient, small);
  Bytes bytes;
  node->share("file", 100, bytes.read(), bytes.use());
  const Failure early([&] {
    if (test_world().rank() != 0) node.reset();
  });
  EXPECT_LT(early.seconds, 4);
  together->barrier();
  const Failure late([&] { node.reset(); });
  EXPECT_LT(late.seconds, 4);
  together->barrier();
}

TEST(NodeReader, OfSomeRanksInAnotherOrder) {
  const int last = test_world().size() - 1;
  if (test_world().rank() != 0 && test_world().rank() != last) return;
  const std::vector<int> members = last > 0 ? std::vector{last, 0} : std::vector{0};
  NodeReader node(MPI_COMM_WORLD, members, {}, small);
  Bytes bytes;
  node.share("file", 1000, bytes.read(), bytes.use());
  EXPECT_TRUE(bytes.right);
  EXPECT_EQ(bytes.got, 1000u);
  const Failure failure([&] {
    node.together([&] {
      if (test_world().rank() == last) throw Error(Error::environment, "on purpose");
      node.share("file", 10000, bytes.read(), nothing);
    });
  });
  EXPECT_EQ(failure.words,
            test_world().rank() == last ? "on purpose" : "rank " + std::to_string(last) + ": on purpose");
}

}  // namespace
}  // namespace wf
