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
INSTANTIATE_TEST_SUITE_P(All, EachSignal, ::testing::Values(SIGINT, SIGTERM, SIGUSR1));

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

TEST(Signals, ASecondSigusr1DoesNotEndTheProcess) {
  EXPECT_EXIT(raise_twice(SIGTERM, SIGUSR1), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace wf
