// tests/launcher/run/failure_limits_test.cpp: which failures hold a run.
#include "launcher/run/failure_limits.hpp"

#include <gtest/gtest.h>

namespace wf {
namespace {

constexpr MaxFailures no_limit;

/// That many clips, from number 0 on, fail for good, a second after each other.
void fail(FailureLimits& limits, std::size_t clips, Error::Kind kind = Error::internal) {
  for (std::size_t clip = 0; clip < clips; ++clip) limits.failed(clip, kind, true, static_cast<double>(clip));
}

TEST(FailureLimits, FiveClipsInARowThatFailAlikeHoldTheRun) {
  FailureLimits limits(no_limit, false, 100);
  fail(limits, 4);
  EXPECT_EQ(limits.reason(), "");
  limits.failed(4, Error::internal, false, 59);
  EXPECT_EQ(limits.reason(), "5 clips in a row failed with `internal` within a minute") << "also to be tried again";
}

TEST(FailureLimits, TheAttemptsOfOneClipAreOneClip) {
  FailureLimits limits(no_limit, false, 100);
  for (std::size_t i = 0; i < 12; ++i) limits.failed(i / 3, Error::resource, i % 3 == 2, static_cast<double>(i));
  EXPECT_EQ(limits.reason(), "");
  limits.failed(4, Error::resource, false, 13);
  EXPECT_NE(limits.reason(), "");
}

TEST(FailureLimits, ADoneClipEndsTheRow) {
  FailureLimits limits(no_limit, false, 100);
  fail(limits, 4);
  limits.done();
  for (std::size_t clip = 10; clip < 14; ++clip) limits.failed(clip, Error::internal, true, 5);
  EXPECT_EQ(limits.reason(), "");
}

TEST(FailureLimits, AnotherKindOfErrorBeginsAnotherRow) {
  FailureLimits limits(no_limit, false, 100);
  fail(limits, 4);
  for (std::size_t clip = 10; clip < 14; ++clip) limits.failed(clip, Error::permanent, true, 5);
  EXPECT_EQ(limits.reason(), "");
  limits.failed(14, Error::permanent, true, 6);
  EXPECT_EQ(limits.reason(), "5 clips in a row failed with `permanent` within a minute");
}

TEST(FailureLimits, WhatIsMoreThanAMinuteAgoIsNoneOfTheRow) {
  FailureLimits limits(no_limit, false, 100);
  for (std::size_t clip = 0; clip < 50; ++clip)
    limits.failed(clip, Error::internal, true, 16.0 * static_cast<double>(clip));
  EXPECT_EQ(limits.reason(), "") << "at most four in a minute";
  for (std::size_t clip = 50; clip < 55; ++clip)
    limits.failed(clip, Error::internal, true, 15.0 * static_cast<double>(clip));
  EXPECT_NE(limits.reason(), "") << "five within exactly a minute";
}

TEST(FailureLimits, APromptsOwnFaultNeitherCountsNorEndsTheRow) {
  FailureLimits limits(no_limit, false, 100);
  fail(limits, 20, Error::input);
  EXPECT_EQ(limits.reason(), "");
  fail(limits, 4);
  limits.failed(50, Error::input, true, 4);
  limits.failed(4, Error::internal, true, 5);
  EXPECT_NE(limits.reason(), "");
}

TEST(FailureLimits, MaxFailuresIsANumberOfClipsThatFailedForGood) {
  FailureLimits limits({.number = 2}, false, 100);
  fail(limits, 2, Error::input);
  limits.failed(1, Error::input, true, 2);
  limits.failed(7, Error::input, false, 3);
  EXPECT_EQ(limits.reason(), "") << "two clips; one failed twice, and one is tried again";
  limits.failed(7, Error::input, true, 4);
  EXPECT_EQ(limits.reason(), "more than 2 clips failed (--max-failures 2)");
}

TEST(FailureLimits, MaxFailuresMayBeAShareOfTheList) {
  FailureLimits limits({.number = 2.5, .percent = true}, false, 200);
  fail(limits, 5, Error::input);
  EXPECT_EQ(limits.reason(), "");
  limits.failed(5, Error::input, true, 5);
  EXPECT_EQ(limits.reason(), "more than 2.5% of the clips failed (--max-failures 2.5%)");
}

TEST(FailureLimits, WithNoneAllowedTheFirstHoldsTheRun) {
  FailureLimits limits({.number = 0}, false, 100);
  fail(limits, 1, Error::input);
  EXPECT_EQ(limits.reason(), "more than 0 clips failed (--max-failures 0)");
}

TEST(FailureLimits, AClipThatIsTriedAgainIsNoFailureAnyMore) {
  FailureLimits limits({.number = 1}, false, 100);
  fail(limits, 1, Error::input);
  limits.retried(0);
  limits.failed(1, Error::input, true, 2);
  EXPECT_EQ(limits.reason(), "");
}

TEST(FailureLimits, CopiesOfAClipFailWithIt) {
  FailureLimits limits({.number = 2}, false, 100, {{0, 50}, {0, 51}});
  fail(limits, 1, Error::input);
  EXPECT_NE(limits.reason(), "") << "three clips";
}

TEST(FailureLimits, WithKeepGoingNothingHoldsTheRun) {
  FailureLimits limits({.number = 1}, true, 100);
  fail(limits, 50);
  EXPECT_EQ(limits.reason(), "");
}

}  // namespace
}  // namespace wf
