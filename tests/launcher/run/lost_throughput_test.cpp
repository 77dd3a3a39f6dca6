// tests/launcher/run/lost_throughput_test.cpp: ranks that are lost one after the other cost their share of the
// throughput and no more.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "jobs/record/journal.hpp"
#include "tests/launcher/run/rank_runs.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t clips = 40;

/// Every step sleeps for 0.2 s, so that eight ranks are eight times as fast as one on any number of cores.
const Surroundings slow{.environment = {"WANFARM_FAULT=slow@high,slow@low"}};

std::string forty_clips() {
  std::string list = "defaults: {size: 32x32, frames: 5, steps: 20, shift: 1}\nprompts:\n";
  for (std::size_t i = 1; i <= clips; ++i) list += "  - number " + std::to_string(i) + "\n";
  return list;
}

Flags apart(int ranks) {
  return render_flags(ranks, {"--placement", "resident", "--ulysses", "1", "--log-level", "info"});
}

std::size_t done(const TempFolder& folder) {
  return static_cast<std::size_t>(std::ranges::count(read_journal(folder / "out").events, Event::done, &Event::kind));
}

/// Seconds from the first assignment to the last finished clip.
double seconds_of_work(const TempFolder& folder) {
  double begin = 0, end = 0;
  for (const Event& event : read_journal(folder / "out").events) {
    if (event.kind == Event::assigned && begin == 0) begin = event.time;
    if (event.kind == Event::done) end = event.time;
  }
  return end - begin;
}

TEST(ManyRanks, EightOfWhichThreeDieAreAsFastAsFive) {
  const TempFolder five, eight;
  for (const TempFolder* const folder : {&five, &eight}) write_file(*folder / "list.yaml", forty_clips());
  ASSERT_EQ(run(five.path(), apart(5), slow).code, 0);
  Program program(eight.path(), apart(8), slow);
  std::size_t wanted = 3;
  for (const int victim : {7, 3, 5}) {
    while (program.running() && done(eight) < wanted) std::this_thread::sleep_for(50ms);
    ASSERT_TRUE(program.running()) << program.wait().err;
    ::kill(ranks_in(eight.path()).at(victim), SIGKILL);
    wanted += 4;
  }
  const ProgramResult outcome = program.wait();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(of_sidecars(eight.path(), "frames_sha256"), of_sidecars(five.path(), "frames_sha256"));
  EXPECT_EQ(of_sidecars(eight.path(), "frames_sha256").size(), clips);
  const double share = seconds_of_work(five) / seconds_of_work(eight);
  std::printf("%.0f %% of the throughput of five ranks; 85 %% are asked for\n", 100 * share);
  EXPECT_GE(share, 0.85);
}

}  // namespace
}  // namespace wf
