// tests/base/file_lock_test.cpp: one process at a time holds a lock, on file systems with and without locks.
#include "base/file_lock.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/machine.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

/// What the file system refuses with ENOSYS.
struct FileSystem {
  const char* name;
  bool flock, record_locks;
};

class EachFileSystem : public ::testing::TestWithParam<FileSystem> {
 protected:
  void SetUp() override {
    inject_lock_faults([system = GetParam()](LockStep step) {
      const bool refused =
          step == LockStep::flock ? !system.flock : step == LockStep::record_lock && !system.record_locks;
      return refused ? ENOSYS : 0;
    });
  }
  ~EachFileSystem() override { inject_lock_faults({}); }

  /// The kind and text of the error with which the lock is refused; empty when it is taken.
  std::optional<Error> refusal() const {
    try {
      const FileLock lock(file_);
      return std::nullopt;
    } catch (const Error& error) {
      return error;
    }
  }

  /// Runs `action` in a child process, which then ends like a killed one: nothing is destroyed.
  template <class Action>
  static int in_another_process(const Action& action) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(action());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  }

  test::TempFolder folder_;
  Path file_ = folder_ / "lock";
};

INSTANTIATE_TEST_SUITE_P(Locks, EachFileSystem,
                         ::testing::Values(FileSystem{"flock", true, true}, FileSystem{"record_locks", false, true},
                                           FileSystem{"no_locks", false, false}),
                         [](const auto& system) { return std::string(system.param.name); });

TEST_P(EachFileSystem, ASecondLockIsRefusedNamingTheProcessAndTheHostThatHoldIt) {
  {
    const FileLock lock(file_);
    const std::optional<Error> error = refusal();
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), Error::environment);
    const std::string holder = "(process " + std::to_string(::getpid()) + " on " + host_name() + ")";
    EXPECT_NE(std::string(error->what()).find(holder), std::string::npos) << error->what();
    EXPECT_EQ(in_another_process([&] { return refusal() ? 7 : 0; }), 7);
  }
  EXPECT_FALSE(refusal()) << "the lock must end with its holder";
}

TEST_P(EachFileSystem, AProcessThatEndsWithoutCleaningUpLeavesTheLockToTheNext) {
  ASSERT_EQ(in_another_process([&] {
              static_cast<void>(new FileLock(file_));
              return 7;
            }),
            7);
  EXPECT_FALSE(refusal());
  EXPECT_FALSE(refusal()) << "what has been taken over is given back";
}

TEST_P(EachFileSystem, AFailureAfterTheLockIsTakenGivesItBack) {
  inject_lock_faults([system = GetParam()](LockStep step) {
    if (step == LockStep::write) return ENOSPC;
    return (step == LockStep::flock ? system.flock : system.record_locks) ? 0 : ENOSYS;
  });
  const std::optional<Error> error = refusal();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), Error::storage);
  EXPECT_NE(std::string(error->what()).find("No space left on device"), std::string::npos) << error->what();
  SetUp();
  EXPECT_FALSE(refusal()) << "the failed attempt still holds the lock";
}

class WithoutLocks : public EachFileSystem {};
INSTANTIATE_TEST_SUITE_P(Locks, WithoutLocks, ::testing::Values(FileSystem{"no_locks", false, false}),
                         [](const auto& system) { return std::string(system.param.name); });

TEST_P(WithoutLocks, AHolderOnAnotherMachineIsNamedAndTheFileToRemove) {
  const Path holder = file_.string() + ".holder";
  write_file(holder, "process 12 on n7\n00000000-0000-0000-0000-000000000000 pid:[1] 12 34\n");
  const std::optional<Error> error = refusal();
  ASSERT_TRUE(error);
  EXPECT_NE(std::string(error->what()).find("process 12 on n7"), std::string::npos) << error->what();
  EXPECT_NE(std::string(error->what()).find("remove " + holder.string()), std::string::npos) << error->what();
  std::filesystem::remove(holder);
  EXPECT_FALSE(refusal());
}

/// Processes that try to take one lock at the same moment, and live until this object ends.
class Contenders {
 public:
  Contenders(const Path& lock, int processes) {
    int start[2], results[2];
    EXPECT_EQ(::pipe(start) + ::pipe(results), 0);
    for (int i = 0; i < processes; ++i) {
      children_.push_back(::fork());
      if (children_.back() == 0) try_to_lock(lock, start, results[1]);
    }
    ::close(start[1]);  // the children's reads return now
    results_.resize(static_cast<std::size_t>(processes));
    for (char& result : results_) EXPECT_EQ(::read(results[0], &result, 1), 1);
    for (const int fd : {start[0], results[0], results[1]}) ::close(fd);
  }
  ~Contenders() {
    for (const pid_t child : children_) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
  }
  Contenders(const Contenders&) = delete;
  Contenders& operator=(const Contenders&) = delete;
  auto winners() const { return std::count(results_.begin(), results_.end(), '+'); }

 private:
  [[noreturn]] static void try_to_lock(const Path& lock, const int* start, int results) {
    char result = '+';
    ::close(start[1]);
    static_cast<void>(::read(start[0], &result, 1) == 0);  // the pipe ends for all at once
    try {
      static_cast<void>(new FileLock(lock));
    } catch (const Error&) {
      result = '-';
    }
    static_cast<void>(::write(results, &result, 1) == 1);
    for (;;) ::pause();
  }

  std::vector<pid_t> children_;
  std::string results_;
};

TEST_P(WithoutLocks, OneOfManyTakesOverFromADeadProcess) {
  for (int round = 0; round < 20; ++round) {
    in_another_process([&] {
      static_cast<void>(new FileLock(file_));
      return 0;
    });
    EXPECT_EQ(Contenders(file_, 8).winners(), 1);
  }
}

TEST(FileLock, AnErrorThatIsNotAboutMissingLocksIsReported) {
  const test::TempFolder folder;
  inject_lock_faults([](LockStep step) { return step == LockStep::flock ? EIO : 0; });
  try {
    const FileLock lock(folder / "lock");
    ADD_FAILURE() << "locked";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::environment);
    EXPECT_NE(std::string(error.what()).find("cannot be locked: Input/output error"), std::string::npos)
        << error.what();
  }
  inject_lock_faults({});
}

TEST(ReadLock, AnyNumberOfReadersAreSeenUntilTheLastOneIsDone) {
  const test::TempFolder folder;
  const Path file = folder.write("file", "content");
  EXPECT_FALSE(is_being_read(file));
  std::optional<ReadLock> first(file), second(file);
  EXPECT_TRUE(is_being_read(file));
  first.reset();
  EXPECT_TRUE(is_being_read(file));
  second.reset();
  EXPECT_FALSE(is_being_read(file));
  EXPECT_EQ(read_file(file), "content");
}

TEST(ReadLock, AFileThatIsNotThereIsNeitherLockedNorMade) {
  const test::TempFolder folder;
  const ReadLock lock(folder / "none");
  EXPECT_FALSE(is_being_read(folder / "none"));
  EXPECT_FALSE(std::filesystem::exists(folder / "none"));
}

}  // namespace
}  // namespace wf
