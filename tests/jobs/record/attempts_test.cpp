// tests/jobs/record/attempts_test.cpp: what counts as one attempt at a clip.
#include "jobs/record/attempts.hpp"

#include <gtest/gtest.h>

namespace wf {
namespace {

TEST(Attempts, AClipThatPassesBetweenGroupsIsOneAttempt) {
  Attempts attempts;
  attempts.assigned(7, 0, 100);
  attempts.handed_over(7);
  attempts.assigned(7, 3, 160);
  const Attempt ended = attempts.end(7);
  EXPECT_EQ(ended.number, 1);
  EXPECT_EQ(ended.rank, 3);
  EXPECT_EQ(ended.began, 100);
}

TEST(Attempts, WhatFailedAndIsGivenOutAgainIsTheNextOne) {
  Attempts attempts;
  for (const int number : {1, 2, 3}) {
    attempts.assigned(7, number, number * 10.0);
    EXPECT_EQ(attempts.under_way(), 1u);
    const Attempt ended = attempts.end(7);
    EXPECT_EQ(ended.number, number);
    EXPECT_EQ(ended.began, number * 10.0);
  }
  EXPECT_EQ(attempts.end(7).number, 0) << "none is under way";
  EXPECT_EQ(attempts.last(7).number, 3);
  EXPECT_EQ(attempts.last(7).rank, 3);
  EXPECT_EQ(attempts.last(8).number, 0);
  EXPECT_EQ(attempts.under_way(), 0u);
}

TEST(Attempts, ALostRankEndsThoseAtWorkThere) {
  Attempts attempts;
  attempts.assigned(2, 1, 10);
  attempts.assigned(1, 1, 20);
  attempts.assigned(3, 1, 30);
  attempts.handed_over(3);
  attempts.assigned(4, 2, 40);
  const std::vector<Attempt> lost = attempts.lost(1);
  ASSERT_EQ(lost.size(), 2u) << "not the kept state, nor what another rank has";
  EXPECT_EQ(lost[0].clip, 1u);
  EXPECT_EQ(lost[1].clip, 2u);
  attempts.assigned(3, 2, 50);
  EXPECT_EQ(attempts.end(3).number, 1);
  attempts.assigned(1, 2, 60);
  EXPECT_EQ(attempts.end(1).number, 2);
}

}  // namespace
}  // namespace wf
