// tests/parallel/host_memory_test.cpp: memory that processes of a machine share: whoever dies, the others go on, and
// nothing stays behind. Other processes are children of the test, which open the memory as strangers would.
#include "parallel/host_memory.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "base/watched_work.hpp"
#include "cluster/proc_file.hpp"

namespace wf {
namespace {

constexpr std::uint64_t bytes = 10000, key = 77;
constexpr std::uint64_t part = 4096;  // so there are four

std::span<std::byte> all_of(const HostMemory& memory) { return {memory.data(), memory.bytes()}; }

/// Another process, which runs `action` and then waits to be killed.
class OtherProcess {
 public:
  explicit OtherProcess(const std::function<void()>& action) {
    int ready[2];
    if (::pipe(ready) != 0) throw Error(Error::internal, "pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      try {
        action();
        if (::write(ready[1], "x", 1) == 1) ::pause();
      } catch (const std::exception&) {
      }
      ::_exit(1);
    }
    ::close(ready[1]);
    char got = 0;
    is_ready_ = ::read(ready[0], &got, 1) == 1;
    ::close(ready[0]);
  }
  ~OtherProcess() { kill(); }
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;

  bool is_ready() const { return is_ready_; }  ///< `action` has not thrown
  void kill() {
    if (pid_ > 0) ::kill(pid_, SIGKILL), ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
  bool is_ready_ = false;
};

struct InjectedFault {
  InjectedFault(HostMemoryStep where, int error) {
    inject_host_memory_faults([=](HostMemoryStep step) { return step == where ? error : 0; });
  }
  ~InjectedFault() { inject_host_memory_faults({}); }
};

template <class Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::environment);
    return error.what();
  }
  return "no error";
}

TEST(HostMemory, IsWrittenOnceByOneThatHasItAlone) {
  HostMemory memory(bytes);
  EXPECT_FALSE(memory.is_written());
  ASSERT_TRUE(memory.turn_if_free());
  EXPECT_FALSE(memory.is_written()) << "the turn was not finished";
  memory.wait_for_turn()->finish();
  EXPECT_TRUE(memory.is_written());
  EXPECT_FALSE(memory.wait_for_turn());
}

TEST(SharedHostMemory, HasWhatAnotherProcessWrote) {
  const auto memory = HostMemory::shared(bytes, key, part);
  const OtherProcess writer([&] {
    const auto same = HostMemory::open(memory->address(), bytes, key);
    const auto turn = same->wait_for_turn();
    std::ranges::fill(all_of(*same), std::byte{5});
    turn->finish();
  });
  ASSERT_TRUE(writer.is_ready());
  EXPECT_TRUE(memory->is_written());
  EXPECT_EQ(std::ranges::count(all_of(*memory), std::byte{5}), static_cast<std::ptrdiff_t>(bytes));
}

TEST(SharedHostMemory, IsWrittenByOneProcessAtATime) {
  const auto memory = HostMemory::shared(bytes, key, part);
  const auto turn = memory->wait_for_turn();
  const OtherProcess other([&] {
    const auto same = HostMemory::open(memory->address(), bytes, key);
    if (same->turn_if_free()) throw Error(Error::internal, "two turns");
  });
  EXPECT_TRUE(other.is_ready());
}

std::uint64_t own_progress() { return work_under_way().at(0).progress; }

/// So a writer that hangs is noticed on all ranks.
TEST(SharedHostMemory, WaitingForAWriterMovesAsTheWriterDoes) {
  const auto memory = HostMemory::shared(bytes, key, part);
  const OtherProcess writer([&] {
    const auto same = HostMemory::open(memory->address(), bytes, key);
    new auto(same->wait_for_turn());  // is kept until the process is killed
    new auto(same);
  });
  ASSERT_TRUE(writer.is_ready());
  std::jthread waiting([&](const std::stop_token& stop) {
    const WatchedWork watched("", "wait");
    EXPECT_FALSE(memory->wait_for_turn(stop));
  });
  while (work_under_way().empty()) std::this_thread::yield();
  EXPECT_EQ(own_progress(), 0u);
  while (own_progress() < 3) memory->mark_writing();
}

TEST(SharedHostMemory, IsWrittenAgainWhenItsWriterIsKilled) {
  const auto memory = HostMemory::shared(bytes, key, part);
  OtherProcess writer([&] {
    const auto same = HostMemory::open(memory->address(), bytes, key);
    new auto(same->wait_for_turn());  // is kept until the process is killed
    std::ranges::fill(all_of(*same).first(bytes / 2), std::byte{9});
    new auto(same);
  });
  ASSERT_TRUE(writer.is_ready());
  EXPECT_FALSE(memory->turn_if_free()) << "the other one still writes";
  std::jthread killing([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    writer.kill();
  });
  const auto turn = memory->wait_for_turn();
  ASSERT_TRUE(turn);
  EXPECT_FALSE(memory->is_written());
  EXPECT_EQ(all_of(*memory)[0], std::byte{9}) << "the writer was not within its work";
}

TEST(SharedHostMemory, OutlivesTheProcessThatMadeIt) {
  int address_pipe[2];
  ASSERT_EQ(::pipe(address_pipe), 0);
  OtherProcess maker([&] {
    const auto made = *new auto(HostMemory::shared(bytes, key, part));
    const HostMemoryAddress address = made->address();
    if (::write(address_pipe[1], &address, sizeof address) != sizeof address) ::_exit(1);
  });
  HostMemoryAddress address;
  ASSERT_EQ(::read(address_pipe[0], &address, sizeof address), static_cast<ssize_t>(sizeof address));
  const auto memory = HostMemory::open(address, bytes, key);
  maker.kill();
  memory->wait_for_turn()->finish();
  EXPECT_TRUE(memory->is_written());
  EXPECT_THROW(HostMemory::open(address, bytes, key), Error) << "its maker has died";
  for (const int end : address_pipe) ::close(end);
}

std::uint64_t shared_kib_in_use() { return std::stoull(proc_value("/proc/meminfo", "Shmem")); }

/// Nothing has to clean up. The size is far from what other programs of the machine take meanwhile.
TEST(SharedHostMemory, IsFreedWhenAllThatHaveItAreKilled) {
  constexpr std::uint64_t much = 512 << 20, half_in_kib = much / 2 / 1024;
  const std::uint64_t before = shared_kib_in_use();
  OtherProcess maker([] {
    const auto made = *new auto(HostMemory::shared(much, key));
    std::ranges::fill(all_of(*made), std::byte{1});
  });
  ASSERT_TRUE(maker.is_ready());
  ASSERT_GT(shared_kib_in_use(), before + half_in_kib);
  maker.kill();
  EXPECT_LT(shared_kib_in_use(), before + half_in_kib);
}

TEST(SharedHostMemory, HasPartsThatMakeItUp) {
  const auto memory = HostMemory::shared(bytes, key, part);
  ASSERT_EQ(memory->parts(), 4u);
  const std::byte* end = memory->part(0).data();
  for (std::size_t i = 0; i < memory->parts(); ++i) {
    EXPECT_EQ(memory->part(i).data(), end);
    end = memory->part(i).data() + memory->part(i).size();
  }
  EXPECT_EQ(end, memory->data() + memory->bytes());
}

TEST(SharedHostMemory, OfAnySizeHasFewParts) {
  for (const std::uint64_t size : {std::uint64_t{128} << 20, (std::uint64_t{128} << 20) - 4096 + 1})
    EXPECT_LE(HostMemory::shared(size, key, part)->parts(), 128u) << size;
}

TEST(SharedHostMemory, GivesEachPartToOneProcess) {
  const auto memory = HostMemory::shared(bytes, key, part);
  const OtherProcess other([&] {
    const auto same = HostMemory::open(memory->address(), bytes, key);
    for (std::size_t i = 0; i < 3; ++i) same->mark_populated(same->take_part().value());
  });
  ASSERT_TRUE(other.is_ready());
  EXPECT_EQ(memory->take_part(), 3u);
  EXPECT_FALSE(memory->take_part());
  EXPECT_FALSE(memory->take_part()) << "nor later";
  EXPECT_TRUE(memory->is_populated(2));
  EXPECT_FALSE(memory->is_populated(3));
  EXPECT_EQ(memory->populated_parts(), 3u);
}

TEST(SharedHostMemory, OpensNothingElse) {
  const auto memory = HostMemory::shared(bytes, key, part);
  HostMemoryAddress of_another_container = memory->address();
  ++of_another_container.token[1];
  for (const auto& wrong :
       std::vector<std::function<void()>>{[&] { HostMemory::open(of_another_container, bytes, key); },
                                          [&] { HostMemory::open(memory->address(), bytes + 1, key); },
                                          [&] { HostMemory::open(memory->address(), bytes + part, key); },
                                          [&] { HostMemory::open(memory->address(), part, key); },
                                          [&] { HostMemory::open(memory->address(), bytes, key + 1); }})
    EXPECT_NE(error_of(wrong).find("is not the memory that was to be shared"), std::string::npos);
  EXPECT_NO_THROW(HostMemory::open(memory->address(), bytes, key));
}

TEST(SharedHostMemory, SaysWhyItCannotBe) {
  {
    const InjectedFault no_files(HostMemoryStep::create, EMFILE);
    EXPECT_NE(error_of([] { HostMemory::shared(bytes, key, part); }).find("memfd_create: Too many open files"),
              std::string::npos);
  }
  const auto memory = HostMemory::shared(bytes, key, part);
  const InjectedFault no_rights(HostMemoryStep::open, EACCES);
  EXPECT_NE(error_of([&] { HostMemory::open(memory->address(), bytes, key); }).find("Permission denied"),
            std::string::npos);
}

}  // namespace
}  // namespace wf
