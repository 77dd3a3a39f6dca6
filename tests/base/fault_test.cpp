// tests/base/fault_test.cpp: WANFARM_FAULT is understood, or refused in words.
#include "base/fault.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>

#include "base/error.hpp"

namespace wf {
namespace {

/// What a process of this rank does when it passes the point, in a process of its own: faults are set only once.
void pass(const std::string& faults, const char* point, int rank = 0) {
  ::setenv("WANFARM_FAULT", faults.c_str(), 1);
  try {
    prepare_faults(rank);
    fault_point(point);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    std::_Exit(10 + exit_code(error.kind()));
  }
  std::_Exit(0);
}

TEST(Fault, HappensAtItsPointOnly) {
  EXPECT_EXIT(pass("kill@store", "store"), testing::KilledBySignal(SIGKILL), "");
  EXPECT_EXIT(pass("kill@store", "load"), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(pass("drain@high", "high"), testing::KilledBySignal(SIGUSR1), "");
  EXPECT_EXIT(pass("throw@high,enospc@store", "store"), testing::ExitedWithCode(15), "No space left");
  EXPECT_EXIT(pass("eio@store", "store"), testing::ExitedWithCode(15), "Input/output error");
}

TEST(Fault, AtDenoiseIsAtTheStepsOfBothExperts) {
  for (const char* const point : {"high", "low"})
    EXPECT_EXIT(pass("kill@denoise", point), testing::KilledBySignal(SIGKILL), "");
  EXPECT_EXIT(pass("kill@denoise", "decode"), testing::ExitedWithCode(0), "");
}

TEST(Fault, NoneHappensWhereTheVariableIsEmpty) { EXPECT_EXIT(pass("", "high"), testing::ExitedWithCode(0), ""); }

TEST(Fault, OfOneRankSparesTheOthers) {
  EXPECT_EXIT(pass("kill@high#1", "high", 1), testing::KilledBySignal(SIGKILL), "");
  EXPECT_EXIT(pass("kill@high#1", "high", 0), testing::ExitedWithCode(0), "");
}

TEST(Fault, ThatIsNotUnderstoodIsInvalidInput) {
  for (const char* const text : {"kill", "explode@high", "kill@nowhere", "kill@high:0", "kill@high:2", "kill@high:x",
                                 "kill@high#x", "kill@high,"})
    EXPECT_EXIT(pass(text, "high"), testing::ExitedWithCode(12), "WANFARM_FAULT: '") << text;
}

TEST(Fault, WithAChanceHappensSometimes) {
  EXPECT_EXIT(
      {
        ::setenv("WANFARM_FAULT", "throw@high:0.5", 1);
        prepare_faults(0);
        int thrown = 0;
        for (int i = 0; i < 1000; ++i) {
          try {
            fault_point("high");
          } catch (const Error&) {
            ++thrown;
          }
        }
        std::_Exit(thrown > 300 && thrown < 700 ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace wf
