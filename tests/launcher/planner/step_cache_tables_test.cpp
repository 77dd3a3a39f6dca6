// tests/launcher/planner/step_cache_tables_test.cpp: which table a clip's step cache takes, and what its clips save by
// it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <utility>

#include "base/error.hpp"
#include "jobs/step_cache_file.hpp"
#include "launcher/planner/saved_forwards.hpp"
#include "pipeline/stages/solver.hpp"
#include "tests/launcher/run/published_model.hpp"

namespace wf {
namespace {

using Steps = std::vector<int>;

/// Of 40 steps and shift 12, which the high-noise expert has 26 of: it saves the steps that stand in `saved`.
StepCache saving(const Steps& saved) {
  std::vector<double> ratios(40, 3.0);
  for (const int step : saved) ratios[static_cast<std::size_t>(step)] = 1;
  ratios.front() = 1;
  return {.rule = {0.06, 40, 0}, .table = StepCacheTable{ratios, ratios, {}}};
}

/// A model whose folder is empty, in the user's cache that is empty.
class StepCacheTables : public testing::Test {
 protected:
  StepCacheTables() {
    ::setenv("WANFARM_CACHE", (folder / "cache").c_str(), 1);
    make_folder(folder / "model");
    parts.files.root = folder / "model";
    parts.expert.dim = 64;
  }
  ~StepCacheTables() override { ::unsetenv("WANFARM_CACHE"); }

  void keep(const Path& file, const StepCache& cache) {
    make_folder(file.parent_path());
    write_file(file, to_json(cache));
  }
  void keep_in_model(const Steps& steps) { keep(folder / "model/step-cache.json", saving(steps)); }
  void keep_as_users(const Steps& steps, const Job& job = {}) {
    keep(step_cache_file(parts.id, job, environment()), saving(steps));
  }

  /// The conditional steps that the job saves.
  Steps saved(const Job& job) {
    std::vector<Job> jobs{job};
    notes = find_saved_forwards(jobs, parts);
    EXPECT_EQ(jobs[0].saved.conditional, jobs[0].saved.unconditional);
    return jobs[0].saved.conditional;
  }

  Error refusal(const Job& job) {
    try {
      saved(job);
    } catch (const Error& error) {
      return error;
    }
    return {Error::internal, "accepted"};
  }

  const test::TempFolder folder;
  ModelParts parts = published_model();
  std::vector<std::string> notes;
};

Job cached() {
  Job job;
  job.name = "rain";
  job.step_cache = StepCache{{0.06, 40, 0}};
  return job;
}

TEST_F(StepCacheTables, OfTheJobWinOverTheUsersWhichWinOverTheModels) {
  keep_in_model({30});
  EXPECT_EQ(saved(cached()), (Steps{30}));
  keep_as_users({31});
  EXPECT_EQ(saved(cached()), (Steps{31}));
  Job own = cached();
  own.step_cache->table = saving({32}).table;
  EXPECT_EQ(saved(own), (Steps{32}));
  EXPECT_TRUE(notes.empty());
}

TEST_F(StepCacheTables, OfTheUserAreOfOneModelSolverAndShift) {
  keep_as_users({31});
  Job job = cached();
  EXPECT_EQ(saved(job), (Steps{31}));
  job.solver = SolverKind::dpmpp;
  EXPECT_EQ(refusal(job).kind(), Error::input);
  job = cached();
  job.shift = 5;
  EXPECT_EQ(refusal(job).kind(), Error::input);
  parts.id = "another";
  EXPECT_EQ(refusal(cached()).kind(), Error::input);
}

TEST_F(StepCacheTables, LeaveTheRuleToTheJob) {
  keep_in_model({30, 31, 32});
  Job job = cached();
  EXPECT_EQ(saved(job), (Steps{30, 31, 32}));
  job.step_cache->rule.most = 1;
  EXPECT_EQ(saved(job), (Steps{30, 32}));
}

TEST_F(StepCacheTables, WithoutOneOfItsOwnAModelOfThePublishedSizeTakesThePublished) {
  parts.expert = published_model().expert;
  Job job = cached();
  job.step_cache = StepCache{};
  EXPECT_EQ(saved(job).size(), 14u);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("published"), std::string::npos) << notes[0];
  keep_as_users({31});
  EXPECT_NE(saved(job).size(), 14u);
  EXPECT_TRUE(notes.empty());
}

TEST_F(StepCacheTables, ThatAreNotThereAreMissed) {
  const Error error = refusal(cached());
  EXPECT_EQ(error.kind(), Error::input);
  EXPECT_STREQ(error.what(), "no step cache table for this model; `wanfarm calibrate-cache` makes one (job rain)");
}

TEST_F(StepCacheTables, ThatAreBrokenAreNamed) {
  write_file(folder / "model/step-cache.json", "{}");
  EXPECT_EQ(refusal(cached()).kind(), Error::environment) << "the model is broken";
  EXPECT_TRUE(std::string(refusal(cached()).what()).starts_with((folder / "model/step-cache.json").string()));
  keep_as_users({31});
  const Path own = step_cache_file(parts.id, cached(), environment());
  write_file(own, "{}");
  EXPECT_EQ(refusal(cached()).kind(), Error::input);
  EXPECT_TRUE(std::string(refusal(cached()).what()).starts_with(own.string()));
}

TEST_F(StepCacheTables, FitOtherNumbersOfSteps) {
  keep_in_model({20, 21, 22, 23, 24, 25});
  Job job = cached();
  job.steps = 20;
  ASSERT_EQ(high_noise_steps(job), 13);
  EXPECT_EQ(saved(job), (Steps{10, 11, 12})) << "the last of the high-noise expert's 26 and 13";
}

TEST_F(StepCacheTables, SayHowManyStepsAreTheHighNoiseExperts) {
  StepCache cache = saving({20, 21, 22, 23, 24, 25});
  cache.table->high_noise_steps = 23;  // so that 23, 24 and 25 are of the low-noise expert, which has 17 of 40
  Job job = cached();
  job.step_cache->table = cache.table;
  EXPECT_EQ(saved(job), (Steps{23, 24, 25, 27, 28}));
}

TEST_F(StepCacheTables, AreNotNeededForAGuidanceInterval) {
  std::vector<Job> jobs(3);
  jobs[0].guidance_interval = jobs[2].guidance_interval = GuidanceInterval{1, 38};
  EXPECT_TRUE(saves_forwards(jobs));
  EXPECT_TRUE(find_saved_forwards(jobs, parts).empty());
  EXPECT_EQ(jobs[0].saved.unguided, (Steps{38, 39}));
  EXPECT_FALSE(jobs[1].saved.any());
  EXPECT_EQ(jobs[2].saved, jobs[0].saved);
  EXPECT_FALSE(saves_forwards({Job()}));
}

TEST_F(StepCacheTables, OfClipsThatDifferInOneValueAreToldApart) {
  Job at_shift_5 = cached();
  at_shift_5.shift = 5;
  keep_as_users({31});
  keep_as_users({32}, at_shift_5);
  const std::pair<std::function<void(Job&)>, SavedForwards> changes[] = {
      {[](Job& job) { job.shift = 5; }, {{32}, {32}, {}}},
      {[](Job& job) { job.guidance.low = {}; }, {{31}, {}, {}}},
      {[](Job& job) {
         job.guidance_interval = GuidanceInterval{1, 39};
       },
       {{31}, {31}, {39}}},
      {[](Job& job) { job.step_cache->rule.kept = 1; }, {}},
      {[](Job& job) { job.step_cache->table = saving({30}).table; }, {{30}, {30}, {}}}};
  std::vector<Job> jobs;
  for (const auto& [change, saved] : changes) {
    jobs.insert(jobs.end(), 2, cached());
    change(jobs.back());
  }
  find_saved_forwards(jobs, parts);
  for (std::size_t i = 0; i < jobs.size(); i += 2) {
    EXPECT_EQ(jobs[i].saved, (SavedForwards{{31}, {31}, {}})) << i;
    EXPECT_EQ(jobs[i + 1].saved, changes[i / 2].second) << i;
  }
}

}  // namespace
}  // namespace wf
