// tests/launcher/run/cut_short_test.cpp: what becomes of a run on ranks when one is killed or hangs, or a signal stops
// all.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "jobs/record/control.hpp"
#include "jobs/record/journal.hpp"
#include "tests/launcher/run/rank_runs.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

void expect_complete(const TempFolder& folder, int ranks, std::size_t clips) {
  const ProgramResult outcome = render(folder, ranks);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const auto latents = of_sidecars(folder.path(), "latents_sha256");
  EXPECT_EQ(latents.size(), clips);
  for (const std::string& file : files_below(folder / "out"))
    EXPECT_FALSE(file.ends_with(".part")) << file << " was left behind";
}

/// The driver takes a moment to clean up after a process; others may use a little.
void expect_gpu_memory_as(const std::vector<int>& before) {
  const auto is_free = [&] {
    const std::vector<int> now = used_gpu_memory();
    for (std::size_t i = 0; i < before.size(); ++i)
      if (now.at(i) > before[i] + 200) return false;
    return true;
  };
  const auto deadline = Clock::now() + 10s;
  while (!is_free() && Clock::now() < deadline) std::this_thread::sleep_for(200ms);
  EXPECT_TRUE(is_free()) << "memory of a GPU is still in use";
}

struct Cut {
  int signal, rank, ranks;
  const char* placement;

  bool in_pools() const { return std::string(placement) == "pipeline"; }
  Flags flags() const {
    if (in_pools()) return {"--placement", "pipeline", "--log-level", "trace"};
    return {"--ulysses", std::to_string(ranks), "--placement", "resident", "--log-level", "trace"};
  }
};

std::string name_of(const testing::TestParamInfo<Cut>& cut) {
  return std::string(cut.param.signal == SIGKILL ? "kill_" : "freeze_") + std::to_string(cut.param.rank) + "_" +
         cut.param.placement;
}

class CutShort : public testing::TestWithParam<Cut> {};
INSTANTIATE_TEST_SUITE_P(Two, CutShort, testing::Values(Cut{SIGKILL, 1, 2, "group"}, Cut{SIGKILL, 0, 2, "pipeline"}),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Many, CutShort,
                         testing::Values(Cut{SIGKILL, 0, 3, "pipeline"}, Cut{SIGKILL, 1, 3, "group"},
                                         Cut{SIGSTOP, 0, 3, "group"}, Cut{SIGSTOP, 2, 3, "group"}),
                         name_of);

/// Rank 0, or a rank whose group needs it.
TEST_P(CutShort, ARankThatCannotBeDoneWithoutEndsTheRunByNameAndTheSameCommandGoesOn) {
  const Cut cut = GetParam();
  const TempFolder folder;
  write_file(folder / "list.yaml", long_list(6, 24));
  const std::vector<int> memory_before = used_gpu_memory();
  Flags flags = cut.flags();
  flags.insert(flags.end(), {"--restarts", "0", "--heartbeat-timeout", "5"});
  Program program(folder.path(), render_flags(cut.ranks, flags));
  ASSERT_TRUE(wait_for_a_step(program, cut.rank)) << program.wait().err;
  const auto ranks = ranks_in(folder.path());
  ASSERT_EQ(std::ssize(ranks), cut.ranks);
  const auto begin = Clock::now();
  ::kill(ranks.at(cut.rank), cut.signal);
  const ProgramResult outcome = program.wait();
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  std::printf("ended after %.1f s of 20\n", seconds);
  EXPECT_LT(seconds, 20);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("rank " + std::to_string(cut.rank)), std::string::npos) << outcome.err;
  EXPECT_TRUE(ranks_in(folder.path()).empty()) << "processes are left";
  expect_gpu_memory_as(memory_before);
  expect_complete(folder, cut.ranks, 6);
}

/// Of a run in which each rank is a group of its own, while it works on clips.
void expect_the_others_to_finish(int signal, int lost, int ranks, const std::string& placement) {
  const TempFolder folder;
  const std::string list = long_list(6, 24);
  write_file(folder / "list.yaml", list);
  const std::vector<int> memory_before = used_gpu_memory();
  Program program(folder.path(),
                  render_flags(ranks, {"--placement", placement, "--cfg-parallel", "1", "--ulysses", "1", "--ring", "1",
                                       "--heartbeat-timeout", "5", "--log-level", "trace"}));
  ASSERT_TRUE(wait_for_a_step(program, lost)) << program.wait().err;
  ::kill(ranks_in(folder.path()).at(lost), signal);
  const ProgramResult outcome = program.wait();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const std::string name = "rank " + std::to_string(lost) + " (node ";
  const std::size_t named = outcome.err.find(name);
  ASSERT_NE(named, std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("The run goes on without it", named), std::string::npos) << outcome.err;
  EXPECT_TRUE(ranks_in(folder.path()).empty()) << "processes are left";
  expect_gpu_memory_as(memory_before);
  EXPECT_EQ(of_sidecars(folder.path(), "latents_sha256"), latents_with(list, 1, {}));
}

TEST(Ranks, AKilledRankIsDoneWithout) { expect_the_others_to_finish(SIGKILL, 1, 2, "resident"); }
TEST(ManyRanks, AKilledRankOfAPoolIsDoneWithout) { expect_the_others_to_finish(SIGKILL, 2, 3, "pipeline"); }
TEST(ManyRanks, AFrozenRankIsDoneWithoutAndEnded) { expect_the_others_to_finish(SIGSTOP, 1, 3, "resident"); }

/// Its partner ends with it, for it would wait for ever; the other group takes over what the two were at.
TEST(ManyRanks, AGroupOfTwoThatLosesAMemberIsDoneWithout) {
  const TempFolder folder;
  const std::string list = long_list(6, 24);
  write_file(folder / "list.yaml", list);
  Program program(folder.path(),
                  render_flags(4, {"--placement", "resident", "--ulysses", "2", "--log-level", "trace"}));
  ASSERT_TRUE(wait_for_a_step(program, 2)) << program.wait().err;
  const auto begin = Clock::now();
  ::kill(ranks_in(folder.path()).at(3), SIGKILL);
  const ProgramResult outcome = program.wait();
  std::printf("went on for %.1f s\n", std::chrono::duration<double>(Clock::now() - begin).count());
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  for (const char* const said : {"has died", "ends, since it computed together with rank 3"})
    EXPECT_NE(outcome.err.find(said), std::string::npos) << said << "\n" << outcome.err;
  EXPECT_EQ(outcome.err.find("it is started again"), std::string::npos) << outcome.err;
  EXPECT_TRUE(ranks_in(folder.path()).empty()) << "processes are left";
  EXPECT_EQ(of_sidecars(folder.path(), "latents_sha256"),
            latents_with(list, 2, {"--placement", "resident", "--ulysses", "2"}));
}

TEST(Ranks, ARunWhoseRankZeroIsKilledIsStartedAgain) {
  const TempFolder folder;
  const std::string list = long_list(6, 24);
  write_file(folder / "list.yaml", list);
  Program program(folder.path(),
                  render_flags(2, {"--placement", "resident", "--heartbeat-timeout", "5", "--log-level", "trace"}));
  ASSERT_TRUE(wait_for_a_step(program, 0)) << program.wait().err;
  ::kill(ranks_in(folder.path()).at(0), SIGKILL);
  const ProgramResult outcome = program.wait();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("it is started again"), std::string::npos) << outcome.err;
  EXPECT_EQ(of_sidecars(folder.path(), "latents_sha256"), latents_with(list, 1, {}));
}

/// A run whose rank 0 can be killed, with what its journal tells.
class Restarted : public testing::Test {
 protected:
  Restarted() { write_file(folder / "list.yaml", long_list(4, 24)); }
  std::vector<Event> events() const { return read_journal(folder / "out").events; }
  /// How many events of the kind there are.
  std::ptrdiff_t count(Event::Kind kind) const { return std::ranges::count(events(), kind, &Event::kind); }
  /// Waits until there are so many. False: the run is over.
  bool wait_for(Program& program, Event::Kind kind, std::ptrdiff_t events) const {
    while (program.running() && count(kind) < events) std::this_thread::sleep_for(20ms);
    return count(kind) >= events;
  }
  void request(ControlRequest::Action action) const { leave_request(folder / "out", {action}); }
  /// The kinds of the events of the last start.
  std::vector<Event::Kind> last_start() const {
    std::vector<Event::Kind> kinds;
    for (const Event& event : events()) {
      if (event.kind == Event::began) kinds.clear();
      kinds.push_back(event.kind);
    }
    return kinds;
  }

  TempFolder folder;
  Flags flags{"--placement", "resident", "--cfg-parallel",      "1", "--ulysses",       "1",
              "--ring",      "1",        "--heartbeat-timeout", "5", "--stall-timeout", "60"};
};

TEST_F(Restarted, ARunThatWasToldToStopBeginsNothingAgain) {
  Program program(folder.path(), render_flags(2, flags), {.environment = {"WANFARM_FAULT=slow@high,hang@high#1"}});
  ASSERT_TRUE(wait_for(program, Event::assigned, 2)) << program.wait().err;
  request(ControlRequest::drain);
  ASSERT_TRUE(wait_for(program, Event::draining, 1)) << program.wait().err;
  ::kill(ranks_in(folder.path()).at(0), SIGKILL);
  const ProgramResult outcome = program.wait();
  EXPECT_EQ(outcome.code, 75) << outcome.err;
  EXPECT_NE(outcome.err.find("told to stop before ranks were lost (a user asks for it)"), std::string::npos)
      << outcome.err;
  EXPECT_EQ(count(Event::began), 2);
  const std::vector<Event::Kind> kinds = last_start();
  EXPECT_EQ(std::ranges::count(kinds, Event::assigned), 0);
  EXPECT_EQ(kinds.back(), Event::ended);
}

TEST_F(Restarted, ARunThatWasPausedStaysSoUntilItIsResumed) {
  Program program(folder.path(), render_flags(2, flags), {.environment = {"WANFARM_FAULT=slow@high"}});
  ASSERT_TRUE(wait_for(program, Event::assigned, 2)) << program.wait().err;
  request(ControlRequest::pause);
  ASSERT_TRUE(wait_for(program, Event::paused, 1)) << program.wait().err;
  ::kill(ranks_in(folder.path()).at(0), SIGKILL);
  ASSERT_TRUE(wait_for(program, Event::paused, 2)) << program.wait().err;
  std::this_thread::sleep_for(4s);  // for the ranks to ask for work
  request(ControlRequest::resume);
  const ProgramResult outcome = program.wait();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(count(Event::began), 2);
  const std::vector<Event::Kind> kinds = last_start();
  const auto resumed = std::ranges::find(kinds, Event::resumed);
  EXPECT_NE(resumed, kinds.end());
  EXPECT_EQ(std::count(kinds.begin(), resumed, Event::assigned), 0);
}

TEST_F(Restarted, ARunWithForceRendersEachClipOnce) {
  ASSERT_EQ(render(folder, 2).code, 0);
  flags.emplace_back("--force");
  Program program(folder.path(), render_flags(2, flags), {.environment = {"WANFARM_FAULT=slow@high"}});
  ASSERT_TRUE(wait_for(program, Event::done, 4 + 1)) << program.wait().err;
  ::kill(ranks_in(folder.path()).at(0), SIGKILL);
  const ProgramResult outcome = program.wait();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(count(Event::began), 1 + 2);
  std::map<std::string, int> renderings;
  for (const Event& event : events())
    if (event.kind == Event::done) ++renderings[event.clip];
  EXPECT_EQ(renderings, (std::map<std::string, int>{{"c1", 2}, {"c2", 2}, {"c3", 2}, {"c4", 2}}));
}

TEST(Ranks, ASilentRankIsLostAfterTheTimeThatTheFlagGives) {
  const TempFolder folder;
  write_file(folder / "list.yaml", long_list(2, 24));
  Program program(folder.path(), render_flags(2, {"--heartbeat-timeout", "4", "--log-level", "trace"}));
  ASSERT_TRUE(wait_for_a_step(program, 1)) << program.wait().err;
  ::kill(ranks_in(folder.path()).at(1), SIGSTOP);
  const ProgramResult outcome = program.wait();
  EXPECT_NE(outcome.err.find("has not been heard of for 4 s"), std::string::npos) << outcome.err;
}

class Hangs : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Stages, Hangs, testing::Values("load", "text", "high", "low", "decode", "write"),
                         [](const auto& stage) { return std::string(stage.param); });

/// The agent of the rank that hangs goes on beating. While the ranks load, they need each other; later one can be done
/// without.
TEST_P(Hangs, ARankThatMakesNoProgressIsNamedWithWhatItWasDoing) {
  const std::string stage = GetParam();
  const bool loads = stage == "load";
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(6));
  const ProgramResult outcome =
      run(folder.path(),
          render_flags(2, {"--placement", "resident", "--stall-timeout", "3", "--shift", "1", "--restarts", "0"}),
          {.environment = {"WANFARM_FAULT=hang@" + stage + "#1"}});
  EXPECT_EQ(outcome.code, loads ? 1 : 0) << outcome.err;
  const std::size_t named = outcome.err.find("rank 1 (node ");
  ASSERT_NE(named, std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("has made no progress for ", named), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find(loads ? "load the model" : "stage " + stage, named), std::string::npos) << outcome.err;
  EXPECT_TRUE(ranks_in(folder.path()).empty()) << "processes are left";
  expect_complete(folder, 2, 6);
}

TEST(OneRank, ThatHangsEndsByItself) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  Flags flags = render_flags(1, {"--stall-timeout", "3", "--shift", "1"});
  flags.erase(std::ranges::find(flags, "--ranks"), std::ranges::find(flags, "--ranks") + 2);
  const ProgramResult outcome = run(folder.path(), flags, {.environment = {"WANFARM_FAULT=hang@low"}});
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_NE(outcome.err.find("no progress for 3 s, in clip clip-1, stage low"), std::string::npos) << outcome.err;
}

void expect_drained_and_finished(int ranks) {
  const TempFolder folder;
  const std::string list = long_list(3, 30);  // nearly all of their time goes into steps
  write_file(folder / "list.yaml", list);
  const auto whole = latents_with(list, 1, {});
  Program program(folder.path(), render_flags(ranks, {"--placement", "pipeline", "--log-level", "trace"}));
  ASSERT_TRUE(wait_for_a_step(program, 0)) << program.wait().err;
  program.signal(SIGTERM);
  const ProgramResult outcome = program.wait();
  EXPECT_EQ(outcome.code, 75) << outcome.err;
  EXPECT_NE(outcome.err.find("its state is kept"), std::string::npos) << outcome.err;
  EXPECT_FALSE(std::filesystem::is_empty(folder / "out/.wanfarm/store"));
  expect_complete(folder, ranks, 3);
  EXPECT_EQ(of_sidecars(folder.path(), "latents_sha256"), whole);
}

TEST(Ranks, ASignalDrainsBothOfThemAndTheNextRunGoesOn) { expect_drained_and_finished(2); }
TEST(ManyRanks, ASignalDrainsAllOfThemAndTheNextRunGoesOn) { expect_drained_and_finished(3); }

}  // namespace
}  // namespace wf
