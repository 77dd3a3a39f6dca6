// tests/launcher/dispatch_simulation_test.cpp: the dispatcher over whole lists on up to 1,024 groups, on a simulated
// clock: throughput against its bound, no starvation, bounded parking, slow and dying groups, and its own time.
#include <cstdio>

#include "tests/launcher/farm_simulation.hpp"

namespace wf {
namespace {

/// Six sizes; the seconds of a clip follow its width. 26 of 40 steps are the high expert's.
double seconds(const Job& job, Stage stage) {
  static const std::map<int, double> step = {{416, 1.1}, {640, 2.3},   {832, 5.0},
                                             {960, 8.1}, {1280, 19.4}, {1088, 12.5}};
  switch (stage) {
    case Stage::text:
      return 0.5;
    case Stage::high:
      return 26 * step.at(job.width);
    case Stage::low:
      return 14 * step.at(job.width);
    case Stage::decode:
      return step.at(job.width);
    case Stage::write:
      return 0.1 * step.at(job.width);
  }
  return 0;
}

double only(Stage which, const Job& job, Stage stage) {
  const Stage never = which == Stage::high ? Stage::low : Stage::high;
  return stage == never ? 0 : seconds(job, stage);
}

std::vector<Job> list(std::size_t clips) {
  const std::vector widths = {416, 640, 832, 960, 1088, 1280};
  std::mt19937 random(3);
  std::vector<Job> jobs(clips);
  for (Job& job : jobs) {
    job.width = widths[std::uniform_int_distribution<std::size_t>(0, widths.size() - 1)(random)];
    job.priority = std::bernoulli_distribution(0.1)(random) ? 1 : 0;
  }
  return jobs;
}

std::vector<Role> pools(int high, int low) {
  std::vector<Role> groups(static_cast<std::size_t>(high), Role::high);
  groups.insert(groups.end(), static_cast<std::size_t>(low), Role::low);
  return groups;
}

/// Seconds of all clips, by the role that they need, and of the longest clip.
struct Work {
  double high = 0, low = 0, longest = 0;
};

Work work(const Farm& farm) {
  Work work;
  for (const Job& job : farm.jobs) {
    const auto of = [&](Stage stage) { return farm.predicted(job, stage) * farm.truth(stage); };
    const double text = of(Stage::text), decode = of(Stage::decode) + of(Stage::write);
    work.high += of(Stage::high), work.low += of(Stage::low);
    (farm.options.light.text == Role::high ? work.high : work.low) += text;
    (farm.options.light.decode == Role::high ? work.high : work.low) += decode;
    work.longest = std::max(work.longest, text + of(Stage::high) + of(Stage::low) + decode);
  }
  return work;
}

/// Groups that have the role at the start, a slow one counted as less.
double members(const Farm& farm, Role role) {
  double members = 0;
  for (int group = 0; group < std::ssize(farm.groups); ++group)
    if (farm.groups[static_cast<std::size_t>(group)] == role)
      members += farm.slowness.contains(group) ? 1 / farm.slowness.at(group) : 1;
  return members;
}

/// No schedule is shorter: all groups busy all the time.
double bound(const Farm& farm) {
  const Work all = work(farm);
  const double groups = members(farm, Role::resident) + members(farm, Role::high) + members(farm, Role::low);
  return std::max((all.high + all.low) / groups, all.longest);
}

/// The same while every group keeps its role.
double bound_of_pools(const Farm& farm) {
  const Work all = work(farm);
  return std::max({all.high / members(farm, Role::high), all.low / members(farm, Role::low), all.longest});
}

/// Runs the list, checks what always holds, prints the share of the bound that was reached and returns it.
double achieved(const char* name, const Farm& farm, double bound) {
  Simulation simulation(farm);
  double seconds = simulation.run();
  seconds -= simulation.lost_seconds() / static_cast<double>(farm.groups.size());
  for (std::size_t clip = 0; clip < farm.jobs.size(); ++clip)
    if (simulation.times_finished(clip) + (simulation.dispatch().queue().state(clip) == Queue::State::failed) != 1)
      ADD_FAILURE() << "clip " << clip << " finished " << simulation.times_finished(clip) << " times";
  EXPECT_LT(simulation.cpu_ms_per_clip(), farm.jobs.size() < 100 ? 1e9 : 1) << "milliseconds of CPU a clip";
  std::printf(
      "%-40s %4zu groups, %6zu clips: %6.2f %% of the bound, %5.4f ms a clip, %d role changes, %d parked, %zu failed, "
      "%d deaths\n",
      name, farm.groups.size(), farm.jobs.size(), 100 * bound / seconds, simulation.cpu_ms_per_clip(),
      simulation.role_changes(), simulation.most_parked(), simulation.dispatch().queue().count(Queue::State::failed),
      simulation.deaths());
  return bound / seconds;
}

TEST(Farm, ResidentGroupsAreAllBusy) {
  for (const auto& [groups, clips] : {std::pair(8u, 20'000u), {64, 100'000}, {1024, 100'000}}) {
    const Farm farm{.jobs = list(clips), .groups = std::vector<Role>(groups, Role::resident), .predicted = seconds};
    EXPECT_GE(achieved("resident", farm, bound(farm)), 0.97);
  }
}

TEST(Farm, PoolsAreAllBusy) {
  for (const auto& [high, low, clips] : {std::tuple(5, 3, 20'000u), {41, 23, 100'000u}, {656, 368, 100'000u}}) {
    const Farm farm{.jobs = list(clips), .groups = pools(high, low), .predicted = seconds};
    EXPECT_GE(achieved("pools", farm, bound_of_pools(farm)), 0.97);
  }
}

TEST(Farm, PoolsOfWrongSizesAreCorrected) {
  for (const auto& [high, low, clips] : {std::tuple(2, 6, 20'000u), {12, 52, 100'000u}, {400, 624, 100'000u}}) {
    const Farm farm{.jobs = list(clips), .groups = pools(high, low), .predicted = seconds};
    EXPECT_GE(achieved("pools of wrong sizes", farm, bound(farm)), 0.97);
  }
  // What a pool far too large parks before it is held back has to be worked off, and it waits for that.
  const Farm farm{.jobs = list(100'000), .groups = pools(924, 100), .predicted = seconds};
  EXPECT_GE(achieved("a high pool far too large", farm, bound(farm)), 0.95);
}

TEST(Farm, WrongPredictionsAreCorrected) {
  Farm farm{.jobs = list(20'000), .groups = pools(41, 23), .predicted = seconds};
  farm.truth = [](Stage stage) { return stage == Stage::low ? 3.0 : 1.0; };
  EXPECT_GE(achieved("low three times as long as predicted", farm, bound(farm)), 0.97);
}

TEST(Farm, ListsForOneExpertKeepAllGroupsBusy) {
  for (const Stage which : {Stage::high, Stage::low}) {
    const Farm farm{.jobs = list(20'000), .groups = pools(41, 23), .predicted = [which](const Job& job, Stage stage) {
                      return only(which, job, stage);
                    }};
    EXPECT_GE(achieved(which == Stage::high ? "all high" : "all low", farm, bound(farm)), 0.97);
  }
}

TEST(Farm, OneClipGoesStraightThrough) {
  for (const auto& groups : {std::vector<Role>(8, Role::resident), pools(5, 3), pools(1, 0)}) {
    Farm farm{.jobs = list(1), .groups = groups, .predicted = seconds, .noise = 0};
    const double change = groups.size() == 1 ? farm.options.change_seconds : 0;
    EXPECT_GE(achieved("one clip", farm, bound(farm) + change), 0.999);
  }
}

TEST(Farm, OneGroupTakesTurnsWithTheExperts) {
  Farm farm{.jobs = list(2'000), .groups = pools(1, 0), .predicted = seconds};
  farm.options.parked_per_group = 16;
  EXPECT_GE(achieved("phased", farm, bound(farm)), 0.95);
}

TEST(Farm, ASlowGroupHoldsNobodyUp) {
  for (const auto& groups : {std::vector<Role>(8, Role::resident), pools(41, 23)}) {
    Farm farm{.jobs = list(20'000), .groups = groups, .predicted = seconds};
    farm.slowness = {{2, 10}};
    EXPECT_GE(achieved("a group ten times slower", farm, bound(farm)), 0.97);
  }
}

TEST(Farm, DyingGroupsLoseNothing) {
  for (const auto& groups : {std::vector<Role>(64, Role::resident), pools(41, 23)}) {
    Farm farm{.jobs = list(5'000), .groups = groups, .predicted = seconds};
    farm.failures = 0.02;
    farm.deaths_per_second = 1e-3;
    EXPECT_GE(achieved("dying groups and failing clips", farm, bound(farm)), 0.85) << "of the living groups";
  }
}

TEST(Farm, ParkedClipsAreBounded) {
  Farm farm{.jobs = list(5'000), .groups = pools(60, 4), .predicted = seconds};
  farm.options.parked_per_group = 2;
  farm.options.parked_in_total = 70;
  EXPECT_GE(achieved("70 parked at most", farm, bound(farm)), 0.9);
}

TEST(Farm, TextAndDecodeMayBeInEitherPool) {
  for (const LightStages light :
       {LightStages{Role::low, Role::low}, {Role::low, Role::high}, {Role::high, Role::high}}) {
    Farm farm{.jobs = list(10'000), .groups = pools(5, 3), .predicted = seconds};
    farm.options.light = light;
    EXPECT_GE(achieved("text and decode elsewhere", farm, bound_of_pools(farm)), 0.97);
  }
}

}  // namespace
}  // namespace wf
