// tests/launcher/run/hangup_test.cpp: what becomes of a run whose terminal closes, as with a laptop's lid.
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <regex>
#include <thread>

#include "tests/launcher/run/rank_runs.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

/// A command in the foreground of a terminal of its own.
class OnTerminal {
 public:
  OnTerminal(const Path& folder, const Flags& command) {
    Flags copy = command;
    std::vector<char*> pointers;
    for (std::string& word : copy) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    winsize size{.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
    process_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
    if (process_ != 0) return;
    ::setenv("TERM", "xterm", 1);
    if (::chdir(folder.c_str()) == 0) ::execv(pointers[0], pointers.data());
    ::_exit(99);
  }
  ~OnTerminal() {
    close();
    if (process_ < 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  OnTerminal(const OnTerminal&) = delete;
  OnTerminal& operator=(const OnTerminal&) = delete;

  /// Reads what the terminal shows until that has come; false when the command ends before, or nothing comes for 60 s.
  bool shows(const std::regex& wanted) {
    char buffer[4096];
    while (!std::regex_search(shown_, wanted)) {
      pollfd readable{terminal_, POLLIN, 0};
      if (::poll(&readable, 1, 60'000) != 1) return false;
      const ssize_t count = ::read(terminal_, buffer, sizeof buffer);
      if (count <= 0) return false;
      shown_.append(buffer, static_cast<std::size_t>(count));
    }
    return true;
  }
  const std::string& shown() const { return shown_; }

  /// The kernel sends SIGHUP to the command, which leads the session, and every later write to the terminal fails.
  void close() {
    if (terminal_ >= 0) ::close(terminal_);
    terminal_ = -1;
  }

  /// The exit code of the command; 128 + signal when one ended it.
  int wait() {
    int status = 0;
    ::waitpid(process_, &status, 0);
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  int terminal_ = -1;
  pid_t process_ = -1;
  std::string shown_;
};

/// A list of which some clips are begun when the terminal closes. Steps take nearly all of its time.
class Hangup : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { write_file(folder_ / "list.yaml", list_); }

  Flags command() const {
    Flags flags = render_flags(GetParam(), {"--log-level", "trace"});  // a line for each step
    flags.insert(flags.begin(), WF_PROGRAM);
    return flags;
  }
  static bool is_at_a_step(OnTerminal& run) { return run.shows(std::regex("rank 000\\] \\S+ (high|low) [1-9]\\d*/")); }
  void expect_stored_and_finished() const {
    EXPECT_FALSE(std::filesystem::is_empty(folder_ / "out/.wanfarm/store"));
    EXPECT_TRUE(ranks_in(folder_.path()).empty()) << "processes are left";
    const ProgramResult rest = render(folder_, GetParam());
    EXPECT_EQ(rest.code, 0) << rest.err;
    EXPECT_EQ(of_sidecars(folder_.path(), "latents_sha256"), latents_with(list_, 1, {}));
  }

  const std::string list_ = long_list(2, 24);
  TempFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(Ranks, Hangup, testing::Values(1, 2));

TEST_P(Hangup, AClosedTerminalDrainsTheRunAndTheNextOneGoesOn) {
  OnTerminal run(folder_.path(), command());
  ASSERT_TRUE(is_at_a_step(run)) << run.shown();
  run.close();
  EXPECT_EQ(run.wait(), 75);
  expect_stored_and_finished();
}

/// The shell of the terminal dies, and the kernel sends SIGHUP to its foreground. The inner shell catches it, which the
/// program does not inherit, and lives to write the exit code down.
TEST_P(Hangup, APipeThatDiesWithTheTerminalDoesNotEndTheDrain) {
  std::string words;
  for (const std::string& word : command()) words += " '" + word + "'";
  OnTerminal run(folder_.path(),
                 {"/bin/sh", "-c", "(trap : HUP; " + words + "; echo $? >code.part; mv code.part code) 2>&1 | cat"});
  ASSERT_TRUE(is_at_a_step(run)) << run.shown();
  run.close();
  for (int i = 0; i < 6000 && !std::filesystem::exists(folder_ / "code"); ++i) std::this_thread::sleep_for(10ms);
  ASSERT_TRUE(std::filesystem::exists(folder_ / "code"));
  EXPECT_EQ(read_file(folder_ / "code"), "75\n");
  expect_stored_and_finished();
}

TEST_P(Hangup, UnderNohupTheRunGoesOnToItsEnd) {
  Flags nohup = command();
  nohup.insert(nohup.begin(), "/usr/bin/nohup");  // its output goes to nohup.out
  OnTerminal run(folder_.path(), nohup);
  const auto log = [this] {
    return std::filesystem::exists(folder_ / "nohup.out") ? read_file(folder_ / "nohup.out") : "";
  };
  const std::regex step("(high|low) [1-9]\\d*/");
  for (int i = 0; i < 6000 && !std::regex_search(log(), step); ++i) std::this_thread::sleep_for(10ms);
  ASSERT_TRUE(std::regex_search(log(), step));
  run.close();
  EXPECT_EQ(run.wait(), 0) << log();
  EXPECT_EQ(of_sidecars(folder_.path(), "latents_sha256").size(), 2u);
}

}  // namespace
}  // namespace wf
