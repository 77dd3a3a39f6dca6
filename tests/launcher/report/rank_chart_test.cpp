// tests/launcher/report/rank_chart_test.cpp: the journal's events become the bars of what ranks did, and these the
// picture.
#include "launcher/report/rank_chart.hpp"

#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "tests/launcher/report/html.hpp"
#include "tests/launcher/report/made_up_run.hpp"

namespace wf {

void PrintTo(const Bar& bar, std::ostream* out) {
  *out << fmt::format("rank {} {} {} {}..{}", bar.rank, bar.stage, bar.clip, bar.begin, bar.end);
}

namespace test {
namespace {

Event at_stage(double time, int rank, const std::string& clip, const std::string& stage) {
  return {.kind = Event::at_stage, .time = time, .clip = clip, .rank = rank, .stage = stage};
}
Event of_clip(Event::Kind kind, double time, int rank, const std::string& clip) {
  return {.kind = kind, .time = time, .clip = clip, .rank = rank};
}
Event of_run(Event::Kind kind, double time) { return {.kind = kind, .time = time}; }

using Bars = std::vector<Bar>;

/// In the order of rank and begin.
Bars sorted(Bars bars) {
  std::ranges::sort(bars, {}, [](const Bar& bar) { return std::tuple(bar.rank, bar.begin, bar.stage); });
  return bars;
}

TEST(RankActivity, AStageLastsUntilTheNextOne) {
  const auto activity = rank_activity({of_run(Event::began, 100), at_stage(101, 0, "a", "text"),
                                       at_stage(102, 0, "a", "high"), at_stage(102, 1, "b", "high"),
                                       of_clip(Event::handed_over, 110, 1, "b"), of_clip(Event::failed, 115, 0, "a")});
  EXPECT_EQ(sorted(activity.bars),
            (Bars{{0, "text", "a", 101, 102}, {0, "high", "a", 102, 115}, {1, "high", "b", 102, 110}}));
  EXPECT_EQ(activity.ranks, (std::vector{0, 1}));
}

TEST(RankActivity, AClipIsWrittenWhileTheNextOneIsComputed) {
  const auto activity =
      rank_activity({of_run(Event::began, 100), at_stage(100, 0, "a", "decode"), at_stage(110, 0, "b", "text"),
                     at_stage(110.5, 0, "a", "write"), at_stage(112, 0, "b", "high"), of_clip(Event::done, 114, 0, "a"),
                     of_clip(Event::interrupted, 120, 0, "b")});
  EXPECT_EQ(sorted(activity.bars), (Bars{{0, "decode", "a", 100, 110},
                                         {0, "text", "b", 110, 112},
                                         {0, "write", "a", 110.5, 114},
                                         {0, "high", "b", 112, 120}}));
}

TEST(RankActivity, WritingIsTheTimeThatTheEndOfAClipTells) {
  Event done = of_clip(Event::done, 120, 0, "a");
  done.seconds = {{"decode", 9}, {"write", 3}};
  const auto activity = rank_activity({of_run(Event::began, 100), at_stage(108, 0, "a", "decode"), done});
  EXPECT_EQ(sorted(activity.bars), (Bars{{0, "decode", "a", 108, 117}, {0, "write", "a", 117, 120}}));
}

TEST(RankActivity, ALostRankDoesNothingMore) {
  const auto activity = rank_activity({of_run(Event::began, 100),
                                       at_stage(101, 0, "a", "high"),
                                       at_stage(101, 1, "b", "high"),
                                       {.kind = Event::lost, .time = 105, .rank = 1, .text = "killed"},
                                       of_clip(Event::done, 120, 0, "a")});
  EXPECT_EQ(sorted(activity.bars), (Bars{{0, "high", "a", 101, 120}, {1, "high", "b", 101, 105}}));
  ASSERT_EQ(activity.losses.size(), 1u);
  EXPECT_EQ(activity.losses[0].why, "killed");
}

TEST(RankActivity, WhatAKilledRunDidEndsWithItsLastEvent) {
  const auto activity =
      rank_activity({of_run(Event::began, 100), at_stage(101, 0, "a", "high"), at_stage(130, 1, "b", "low"),
                     of_run(Event::began, 9000), at_stage(9001, 0, "a", "low"), of_clip(Event::done, 9010, 0, "a"),
                     of_run(Event::ended, 9011)});
  EXPECT_EQ(sorted(activity.bars), (Bars{{0, "high", "a", 101, 130}, {0, "low", "a", 9001, 9010}}));
  ASSERT_EQ(activity.runs.size(), 2u);
  EXPECT_EQ(activity.runs[0].end, 130);
  EXPECT_EQ(activity.runs[1].begin, 9000);
}

TEST(RankActivity, InALiveRunStagesLastUntilNow) {
  const auto activity = rank_activity({of_run(Event::began, 100), at_stage(101, 0, "a", "high")}, 160);
  EXPECT_EQ(activity.bars, (Bars{{0, "high", "a", 101, 160}}));
}

TEST(RankActivity, WithoutStagesTheSecondsOfTheEndAreLaidOut) {
  Event done = of_clip(Event::done, 150, 2, "a");
  done.seconds = {{"decode", 5}, {"high", 20}, {"low", 10}, {"text", 1}};
  const auto activity = rank_activity({of_run(Event::began, 100), done});
  EXPECT_EQ(activity.bars, (Bars{{2, "text", "a", 114, 115},
                                 {2, "high", "a", 115, 135},
                                 {2, "low", "a", 135, 145},
                                 {2, "decode", "a", 145, 150}}));
}

TEST(RankActivity, LoadingAnExpertIsABarOfItsOwn) {
  const auto activity = rank_activity({of_run(Event::began, 100),
                                       at_stage(100, 0, "a", "high"),
                                       of_clip(Event::handed_over, 105, 0, "a"),
                                       {.kind = Event::role, .time = 106, .rank = 0, .stage = "low"},
                                       at_stage(116, 0, "a", "low"),
                                       of_clip(Event::done, 120, 0, "a")});
  EXPECT_EQ(sorted(activity.bars),
            (Bars{{0, "high", "a", 100, 105}, {0, "load", "", 106, 116}, {0, "low", "a", 116, 120}}));
}

std::vector<Element> parse_chart(const RunHistory& run) {
  return parse_html("<!doctype html>" + rank_chart(rank_activity(run.journal.events), run.info->ranks));
}

TEST(RankChart, HasARowForEachRankAndABarForEachStage) {
  const RunHistory run = made_up_run(12, 3);
  const auto page = parse_chart(run);
  EXPECT_EQ(elements(page, "rect", "track").size(), 3u);
  std::size_t bars = 0;
  for (const std::string stage : {"text", "high", "low", "decode", "write"})
    bars += elements(page, "rect", "s-" + stage).size();
  EXPECT_EQ(bars, rank_activity(run.journal.events).bars.size());
  EXPECT_TRUE(std::ranges::any_of(elements(page, "rect", "s-low"), [](const Element& bar) {
    return bar.text.starts_with("rank 0: low, 0001-clip-s42, ");
  }));
  EXPECT_EQ(elements(page, "li").size(), 5u) << "the legend";
}

TEST(RankChart, LiesWithinThePicture) {
  for (const int ranks : {1, 64, 65}) {
    for (const Element& element : parse_chart(made_up_run(200, ranks))) {
      if (element.tag != "rect") continue;
      const double x = std::stod(element.attributes.at("x")), width = std::stod(element.attributes.at("width"));
      EXPECT_GE(x, 84);
      EXPECT_LE(x + width, 1171);
    }
  }
}

TEST(RankChart, IsMergedWhenItWouldBeTooLarge) {
  for (const auto& [clips, ranks] : {std::pair(300, 200), std::pair(600, 4)}) {
    const auto page = parse_chart(made_up_run(clips, ranks));
    EXPECT_LE(elements(page, "rect", "track").size(), most_chart_rows);
    EXPECT_LT(elements(page, "path").size() + elements(page, "rect").size(), most_chart_bars);
    EXPECT_FALSE(elements(page, "path", "s-high").empty());
    EXPECT_TRUE(elements(page, "rect", "s-high").empty());
  }
}

TEST(RankChart, AGroupIsNamedByItsRanks) {
  RunHistory run = made_up_run(4, 1);
  run.info->ranks = {{"n1", "CPU", 0}, {"n1", "CPU", 0}, {"n2", "CPU", 2}};
  EXPECT_TRUE(elements(parse_chart(run), "text", "row").at(0).text.starts_with("rank 0-1"));
}

TEST(RankChart, IsLeftOutWhenNothingIsKnown) { EXPECT_EQ(rank_chart({}, {}), ""); }

}  // namespace
}  // namespace test
}  // namespace wf
