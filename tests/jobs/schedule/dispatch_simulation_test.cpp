// tests/jobs/schedule/dispatch_simulation_test.cpp: the dispatcher over whole lists on up to 1,024 groups, on a
// simulated clock: throughput against its bound, no starvation, bounds on stashed states, slow and lost groups, and its
// own time.
#include <cstdio>

#include "tests/jobs/schedule/cluster_simulation.hpp"

namespace wf {
namespace {

/// Predicted seconds for six sizes, known by their width. The high-noise expert does 26 of 40 steps.
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

/// The seconds of a clip that has steps for one expert alone.
double only(Stage which, const Job& job, Stage stage) {
  const Stage never = which == Stage::high ? Stage::low : Stage::high;
  return stage == never ? 0 : seconds(job, stage);
}

/// Clips of six sizes in random order; one in ten has priority.
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

/// Seconds of work in a list by the role that does it, and the seconds of its longest clip.
struct Work {
  double high = 0, low = 0, longest = 0;
};

Work work(const SimulatedCluster& cluster) {
  Work work;
  for (const Job& job : cluster.jobs) {
    const auto of = [&](Stage stage) { return cluster.predicted(job, stage) * cluster.truth(stage); };
    const double text = of(Stage::text), decode = of(Stage::decode) + of(Stage::write);
    work.high += of(Stage::high), work.low += of(Stage::low);
    (cluster.options.light.text == Role::high ? work.high : work.low) += text;
    (cluster.options.light.decode == Role::high ? work.high : work.low) += decode;
    work.longest = std::max(work.longest, text + of(Stage::high) + of(Stage::low) + decode);
  }
  return work;
}

/// Speed of the groups that have the role at the start, in groups of normal speed.
double speed(const SimulatedCluster& cluster, Role role) {
  double speed = 0;
  for (int group = 0; group < std::ssize(cluster.groups); ++group)
    if (cluster.groups[static_cast<std::size_t>(group)] == role)
      speed += cluster.slowness.contains(group) ? 1 / cluster.slowness.at(group) : 1;
  return speed;
}

/// Seconds that no schedule can beat: all groups are busy all the time.
double bound(const SimulatedCluster& cluster) {
  const Work all = work(cluster);
  const double groups = speed(cluster, Role::resident) + speed(cluster, Role::high) + speed(cluster, Role::low);
  return std::max((all.high + all.low) / groups, all.longest);
}

/// Seconds that no schedule can beat in which every group keeps its role.
double bound_of_pools(const SimulatedCluster& cluster) {
  const Work all = work(cluster);
  return std::max({all.high / speed(cluster, Role::high), all.low / speed(cluster, Role::low), all.longest});
}

/// Runs the list, checks that every clip ends exactly once, and returns the share of the bound that was reached.
double achieved(const char* name, const SimulatedCluster& cluster, double bound) {
  Simulation simulation(cluster);
  double seconds = simulation.run();
  seconds -= simulation.lost_group_seconds() / static_cast<double>(cluster.groups.size());
  int given_up = 0;
  for (std::size_t clip = 0; clip < cluster.jobs.size(); ++clip) {
    given_up += simulation.given_up(clip);
    if (simulation.times_finished(clip) + simulation.given_up(clip) != 1)
      ADD_FAILURE() << "clip " << clip << " finished " << simulation.times_finished(clip) << " times"
                    << (simulation.given_up(clip) ? " and was given up" : "");
  }
  EXPECT_LT(simulation.cpu_ms_per_clip(), cluster.jobs.size() < 100 ? 1e9 : 1) << "milliseconds of CPU per clip";
  std::printf(
      "%-40s %4zu groups, %6zu clips: %6.2f %% of the bound, %5.4f ms per clip, %d role changes, %d stashed, "
      "%d given up, %d groups lost\n",
      name, cluster.groups.size(), cluster.jobs.size(), 100 * bound / seconds, simulation.cpu_ms_per_clip(),
      simulation.role_changes(), simulation.most_stashed(), given_up, simulation.losses());
  return bound / seconds;
}

TEST(DispatchSimulation, ResidentGroupsAreAllBusy) {
  for (const auto& [groups, clips] : {std::pair(8u, 20'000u), {64, 100'000}, {1024, 100'000}}) {
    const SimulatedCluster cluster{
        .jobs = list(clips), .groups = std::vector<Role>(groups, Role::resident), .predicted = seconds};
    EXPECT_GE(achieved("resident", cluster, bound(cluster)), 0.97);
  }
}

TEST(DispatchSimulation, PoolsAreAllBusy) {
  for (const auto& [high, low, clips] : {std::tuple(5, 3, 20'000u), {41, 23, 100'000u}, {656, 368, 100'000u}}) {
    const SimulatedCluster cluster{.jobs = list(clips), .groups = pools(high, low), .predicted = seconds};
    EXPECT_GE(achieved("pools", cluster, bound_of_pools(cluster)), 0.97);
  }
}

TEST(DispatchSimulation, PoolsOfWrongSizesAreCorrected) {
  for (const auto& [high, low, clips] : {std::tuple(2, 6, 20'000u), {12, 52, 100'000u}, {400, 624, 100'000u}}) {
    const SimulatedCluster cluster{.jobs = list(clips), .groups = pools(high, low), .predicted = seconds};
    EXPECT_GE(achieved("pools of wrong sizes", cluster, bound(cluster)), 0.97);
  }
  // What a far too large pool has stashed when it reaches its bounds must be worked off by the other pool alone.
  const SimulatedCluster cluster{.jobs = list(100'000), .groups = pools(924, 100), .predicted = seconds};
  EXPECT_GE(achieved("a high pool far too large", cluster, bound(cluster)), 0.95);
}

TEST(DispatchSimulation, WrongPredictionsAreCorrected) {
  SimulatedCluster cluster{.jobs = list(20'000), .groups = pools(41, 23), .predicted = seconds};
  cluster.truth = [](Stage stage) { return stage == Stage::low ? 3.0 : 1.0; };
  EXPECT_GE(achieved("low three times as long as predicted", cluster, bound(cluster)), 0.97);
}

TEST(DispatchSimulation, ListsForOneExpertKeepAllGroupsBusy) {
  for (const Stage which : {Stage::high, Stage::low}) {
    const SimulatedCluster cluster{
        .jobs = list(20'000), .groups = pools(41, 23), .predicted = [which](const Job& job, Stage stage) {
          return only(which, job, stage);
        }};
    EXPECT_GE(achieved(which == Stage::high ? "all high" : "all low", cluster, bound(cluster)), 0.97);
  }
}

TEST(DispatchSimulation, OneClipGoesStraightThrough) {
  for (const auto& groups : {std::vector<Role>(8, Role::resident), pools(5, 3), pools(1, 0)}) {
    SimulatedCluster cluster{.jobs = list(1), .groups = groups, .predicted = seconds, .noise = 0};
    const double change = groups.size() == 1 ? cluster.options.change_seconds : 0;
    EXPECT_GE(achieved("one clip", cluster, bound(cluster) + change), 0.999);
  }
}

TEST(DispatchSimulation, OneGroupTakesTurnsBetweenTheExperts) {
  SimulatedCluster cluster{.jobs = list(2'000), .groups = pools(1, 0), .predicted = seconds};
  cluster.options.stashed_per_group = 16;
  EXPECT_GE(achieved("phased", cluster, bound(cluster)), 0.95);
}

TEST(DispatchSimulation, ASlowGroupDoesNotHoldUpTheOthers) {
  for (const auto& groups : {std::vector<Role>(8, Role::resident), pools(41, 23)}) {
    SimulatedCluster cluster{.jobs = list(20'000), .groups = groups, .predicted = seconds};
    cluster.slowness = {{2, 10}};
    EXPECT_GE(achieved("a group ten times slower", cluster, bound(cluster)), 0.97);
  }
}

TEST(DispatchSimulation, NoClipIsForgottenWhenGroupsAreLost) {
  for (const auto& groups : {std::vector<Role>(64, Role::resident), pools(41, 23)}) {
    SimulatedCluster cluster{.jobs = list(5'000), .groups = groups, .predicted = seconds};
    cluster.failures = 0.02;
    cluster.losses_per_second = 1e-3;
    EXPECT_GE(achieved("lost groups and failing clips", cluster, bound(cluster)), 0.85)
        << "of the groups that are left";
  }
}

/// 128 nodes of 8 GPUs, of which one in a hundred is lost in each hour, for the nine hours that the list takes. Bound:
/// the predicted work of all clips, divided by the ranks that are left at each moment. What the loss of a rank costs is
/// the work since its clip's last checkpoint, and the end of the list, at which no work is left for most ranks.
TEST(DispatchSimulation, LostRanksCostLittleMoreThanTheirOwnTime) {
  for (const auto& groups : {std::vector<Role>(1024, Role::resident), pools(656, 368)}) {
    SimulatedCluster cluster{.jobs = list(100'000), .groups = groups, .predicted = seconds};
    cluster.losses_per_second = 0.01 * 1024 / 3600;
    cluster.checkpoint_seconds = 120;
    EXPECT_GE(achieved("1 % of the ranks lost an hour", cluster, bound(cluster)), 0.95) << "of the ranks that are left";
  }
}

TEST(DispatchSimulation, StashedClipsStayWithinTheBoundsWithAllGroupsBusy) {
  SimulatedCluster cluster{.jobs = list(5'000), .groups = pools(60, 4), .predicted = seconds};
  cluster.options.stashed_per_group = 2;
  cluster.options.stashed_in_total = 70;
  EXPECT_GE(achieved("70 stashed at most", cluster, bound(cluster)), 0.9);
}

TEST(DispatchSimulation, TextAndDecodeMayBeInEitherPool) {
  for (const LightStages light :
       {LightStages{Role::low, Role::low}, {Role::low, Role::high}, {Role::high, Role::high}}) {
    SimulatedCluster cluster{.jobs = list(10'000), .groups = pools(5, 3), .predicted = seconds};
    cluster.options.light = light;
    EXPECT_GE(achieved("text and decode elsewhere", cluster, bound_of_pools(cluster)), 0.97);
  }
}

}  // namespace
}  // namespace wf
