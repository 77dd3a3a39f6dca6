// tests/launcher/display_test.cpp: the bar's line, and the selection of clips.
#include "launcher/display.hpp"

#include <gtest/gtest.h>

#include "cluster/error.hpp"
#include "launcher/selection.hpp"

namespace wf {
namespace {

TEST(Bar, SaysClipStageStepAndTimeLeft) {
  const Standing standing{
      .ended = 2, .clips = 6, .at_work = {{"0003-a-red-kite", Stage::high, 12, 40}}, .share = 0.5, .eta_seconds = 252};
  EXPECT_EQ(bar_line(standing, 200), "[##########----------] 3/6 0003-a-red-kite high 12/40, 4:12 left");
}

TEST(Bar, CountsTheClipsOfSeveralGroups) {
  const Standing standing{.ended = 2, .clips = 6, .at_work = {{"a"}, {"b"}, {"c"}}, .share = 0.25};
  EXPECT_EQ(bar_line(standing, 200), "[#####---------------] 2/6 done, 3 at work");
}

TEST(Bar, IsNeverWiderThanTheTerminal) {
  const Standing standing{.clips = 1, .at_work = {{std::string(300, 'n')}}};
  for (const std::size_t width : {1u, 10u, 79u}) {
    EXPECT_EQ(bar_line(standing, width).size(), width);
    EXPECT_EQ(rank_line(3, standing.at_work[0], width).size(), width);
  }
}

TEST(Bar, ASingleStepIsNotCounted) {
  EXPECT_EQ(bar_line({.clips = 2, .at_work = {{"a", Stage::decode}}}, 80), "[--------------------] 1/2 a decode");
}

TEST(RankLine, SaysWhatTheRankIsAt) {
  EXPECT_EQ(rank_line(3, {"0003-a-red-kite", Stage::low, 13, 40}, 80), "rank 003 0003-a-red-kite low 13/40");
  EXPECT_EQ(rank_line(12, {}, 80), "rank 012 waiting");
}

TEST(Duration, HoursOnlyWhenThereAreSome) {
  EXPECT_EQ(duration_text(0), "0:00");
  EXPECT_EQ(duration_text(59.6), "1:00");
  EXPECT_EQ(duration_text(3852), "1:04:12");
}

std::vector<Job> five_jobs() {
  std::vector<Job> jobs(5);
  for (int i = 0; i < 5; ++i) jobs[i].index = i + 1;
  for (int i = 0; i < 5; ++i) jobs[i].name = i < 2 ? "rain-" + std::to_string(i) : "snow-" + std::to_string(i);
  return jobs;
}

std::string chosen(const std::string& only, int limit) {
  std::string places;
  for (const Job& job : select(five_jobs(), only, limit)) places += std::to_string(job.index);
  return places;
}

TEST(Selection, TakesPlacesRangesAndNamesInTheListsOrder) {
  EXPECT_EQ(chosen("", 0), "12345");
  EXPECT_EQ(chosen("5,1-2", 0), "125");
  EXPECT_EQ(chosen("rain*", 0), "12");
  EXPECT_EQ(chosen("snow-3,rain-?", 2), "12");
  EXPECT_EQ(chosen("", 3), "123");
}

TEST(Selection, WhatSelectsNothingIsAMistake) {
  EXPECT_THROW(select(five_jobs(), "9", 0), Error);
  EXPECT_THROW(select(five_jobs(), "1,hail*", 0), Error);
}

}  // namespace
}  // namespace wf
