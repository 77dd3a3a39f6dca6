// tests/launcher/planner/list_shard_test.cpp: lists divided by predicted work.
#include "launcher/planner/list_shard.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>

#include "base/error.hpp"

namespace wf {
namespace {

Job job_of(int index, int width, int height, int frames, int steps = 40) {
  Job job;
  job.index = index, job.name = std::to_string(index);
  job.width = width, job.height = height, job.frames = frames, job.steps = steps;
  return job;
}

/// Clips of many lengths: the longest takes some hundred times as long as the shortest.
std::vector<Job> mixed_list(int clips) {
  std::mt19937 random(7);
  std::vector<Job> jobs;
  for (int i = 1; i <= clips; ++i) {
    const bool large = random() % 3 == 0;
    jobs.push_back(job_of(i, large ? 1280 : 480, large ? 720 : 272, 5 + 4 * static_cast<int>(random() % 20)));
  }
  return jobs;
}

double work_of(const std::vector<Job>& jobs) {
  return std::accumulate(jobs.begin(), jobs.end(), 0.0,
                         [](double sum, const Job& job) { return sum + predicted_work(job); });
}

TEST(ListShard, EachClipIsInOneShardInTheListsOrder) {
  const std::vector<Job> jobs = mixed_list(100);
  std::set<int> seen;
  for (int number = 1; number <= 7; ++number) {
    const std::vector<Job> shard = jobs_of_shard(jobs, number, 7);
    EXPECT_TRUE(std::ranges::is_sorted(shard, {}, &Job::index)) << number;
    for (const Job& job : shard)
      EXPECT_TRUE(seen.insert(static_cast<int>(job.index)).second) << job.index << " is in two shards";
  }
  EXPECT_EQ(seen.size(), jobs.size());
}

TEST(ListShard, ShardsHaveEqualWorkNotEqualNumbers) {
  const std::vector<Job> jobs = mixed_list(200);
  for (int number = 1; number <= 4; ++number) {
    const std::vector<Job> shard = jobs_of_shard(jobs, number, 4);
    EXPECT_NEAR(work_of(shard), work_of(jobs) / 4, 0.01 * work_of(jobs)) << number;
  }
  std::vector<Job> uneven(9, job_of(1, 480, 272, 17));
  uneven.push_back(job_of(10, 1280, 720, 81));
  EXPECT_EQ(jobs_of_shard(uneven, 1, 2).size(), 1u) << "the long clip alone";
}

TEST(ListShard, DoesNotDependOnAnythingButTheList) {
  const std::vector<Job> jobs = mixed_list(50);
  for (int number = 1; number <= 3; ++number) {
    const std::vector<Job> once = jobs_of_shard(jobs, number, 3), again = jobs_of_shard(jobs, number, 3);
    ASSERT_EQ(once.size(), again.size());
    for (std::size_t i = 0; i < once.size(); ++i) EXPECT_EQ(once[i].name, again[i].name);
  }
}

TEST(ListShard, WorkGrowsWithPixelsFramesStepsAndGuidance) {
  const Job job = job_of(1, 832, 480, 81);
  EXPECT_GT(predicted_work(job), 1.9 * predicted_work(job_of(1, 832, 480, 41)));
  EXPECT_GT(predicted_work(job_of(1, 1280, 720, 81)), 2.3 * predicted_work(job));
  EXPECT_NEAR(predicted_work(job_of(1, 832, 480, 81, 80)) / predicted_work(job), 2, 0.1);
  Job unguided = job;
  unguided.guidance = {.high = {}, .low = {}};
  EXPECT_NEAR(predicted_work(job) / predicted_work(unguided), 2, 0.1);
}

TEST(ListShard, OfFewerClipsThanShardsIsRefused) {
  EXPECT_THROW(jobs_of_shard(mixed_list(3), 1, 4), Error);
  EXPECT_EQ(jobs_of_shard(mixed_list(3), 3, 3).size(), 1u);
}

}  // namespace
}  // namespace wf
