// tests/cluster/signals_test.cpp: the first signal asks, the second ends the process. Each case in a child of its own.
#include "cluster/signals.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

namespace wf {
namespace {

class EachSignal : public ::testing::TestWithParam<int> {};

void ask_once(int signal) {
  install_stop_signals();
  const bool before = stop_requested();
  ::raise(signal);
  ::_exit(!before && stop_requested() ? 0 : 1);
}

TEST_P(EachSignal, TheFirstOneOnlyAsks) { EXPECT_EXIT(ask_once(GetParam()), ::testing::ExitedWithCode(0), ""); }
INSTANTIATE_TEST_SUITE_P(All, EachSignal, ::testing::Values(SIGINT, SIGTERM, SIGUSR1));

void ask_twice(int first, int second) {
  install_stop_signals();
  ::raise(first);
  ::raise(second);
  ::_exit(0);
}

TEST(Signals, ASecondOneEndsTheProcessWithItsCode) {
  EXPECT_EXIT(ask_twice(SIGTERM, SIGINT), ::testing::ExitedWithCode(130), "");
  EXPECT_EXIT(ask_twice(SIGUSR1, SIGTERM), ::testing::ExitedWithCode(143), "");
}

TEST(Signals, ASecondUsr1IsNoReasonToEnd) {
  EXPECT_EXIT(ask_twice(SIGTERM, SIGUSR1), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace wf
