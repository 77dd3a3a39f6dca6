// tests/base/signals_test.cpp: the first signal requests a stop, the second ends the process. Each case runs in a child
// process.
#include "base/signals.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

namespace wf {
namespace {

class EachSignal : public ::testing::TestWithParam<int> {};

void raise_once(int signal) {
  install_stop_signals();
  const bool before = stop_requested();
  ::raise(signal);
  ::_exit(!before && stop_requested() ? 0 : 1);
}

TEST_P(EachSignal, TheFirstOneOnlyRequestsAStop) {
  EXPECT_EXIT(raise_once(GetParam()), ::testing::ExitedWithCode(0), "");
}
INSTANTIATE_TEST_SUITE_P(All, EachSignal, ::testing::Values(SIGINT, SIGTERM, SIGUSR1, SIGHUP));

void raise_twice(int first, int second) {
  install_stop_signals();
  ::raise(first);
  ::raise(second);
  ::_exit(0);
}

TEST(Signals, ASecondOneEndsTheProcessWith128PlusItsNumber) {
  EXPECT_EXIT(raise_twice(SIGTERM, SIGINT), ::testing::ExitedWithCode(130), "");
  EXPECT_EXIT(raise_twice(SIGUSR1, SIGTERM), ::testing::ExitedWithCode(143), "");
}

TEST(Signals, ASecondSigusr1OrSighupDoesNotEndTheProcess) {
  for (const int second : {SIGUSR1, SIGHUP}) {
    EXPECT_EXIT(raise_twice(SIGTERM, second), ::testing::ExitedWithCode(0), "");
    EXPECT_EXIT(raise_twice(second, second), ::testing::ExitedWithCode(0), "");
  }
  EXPECT_EXIT(raise_twice(SIGHUP, SIGTERM), ::testing::ExitedWithCode(143), "");
}

void hang_up_under_nohup() {
  ::signal(SIGHUP, SIG_IGN);
  install_stop_signals();
  ::raise(SIGHUP);
  ::_exit(stop_requested() ? 1 : 0);
}

TEST(Signals, ASighupThatNohupIgnoresRequestsNothing) {
  EXPECT_EXIT(hang_up_under_nohup(), ::testing::ExitedWithCode(0), "");
}

void be_started_with_blocked_signals() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, nullptr);
  install_stop_signals();
  ::raise(SIGUSR1);
  ::_exit(stop_requested() ? 0 : 1);
}

TEST(Signals, AreHeardInAProcessThatWasStartedWithBlockedOnes) {
  EXPECT_EXIT(be_started_with_blocked_signals(), ::testing::ExitedWithCode(0), "");
}

void write_to_nobody() {
  install_stop_signals();
  int ends[2];
  if (::pipe(ends) != 0 || ::close(ends[0]) != 0) ::_exit(1);
  ::_exit(::write(ends[1], "x", 1) < 0 ? 0 : 1);
}

TEST(Signals, APipeThatNobodyReadsDoesNotEndTheProcess) {
  EXPECT_EXIT(write_to_nobody(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace wf
