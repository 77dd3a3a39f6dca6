// tests/launcher/run/run_records_test.cpp: what the tables say of clips that fail, are lost with their ranks, are set
// aside, cancelled and tried again. That each table is well-formed is shown in tests/jobs/record.
#include "launcher/run/run_records.hpp"

#include <gtest/gtest.h>

#include "tests/temp_folder.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

const Error lost_twice(Error::permanent, "it is set aside");

/// A run of four clips, of which d becomes a copy of a, on two groups of two ranks.
class Records : public ::testing::Test {
 protected:
  Records() {
    for (const std::string name : {"a", "b", "c", "d"}) {
      jobs.emplace_back().name = name;
      jobs.back().prompt = name;
      jobs.back().seed = 42;
    }
    options.joblog = folder / "job.log";
    options.request["LIST"] = "prompts.yaml";
    options.quiet = true;
    begin();
  }
  /// A start of the run.
  void begin() {
    records.emplace(RunRecords::Setting{.jobs = jobs,
                                        .folder = run,
                                        .finished = finished,
                                        .copies = copies,
                                        .options = options,
                                        .groups = groups,
                                        .nodes = groups.hosts,
                                        .model = {"/m"}},
                    [](const Job&, Stage) { return 1.0; });
  }
  void assign(std::size_t clip, int leader) { records->assigned(clip, leader, Stage::text, Stage::write); }
  std::string content(const std::string& file) const {
    const Path path = run.output() / file;
    return std::filesystem::exists(path) ? read_file(path) : "";
  }
  /// The end of the run, as the process that the user started sees it.
  RunCounts finish(int code) {
    records->finish(records->summary(1), code);
    return read_run_counts(run.output()).value();
  }

  test::TempFolder folder;
  RunFolder run{folder / "out"};
  std::vector<Job> jobs;
  std::map<std::size_t, Sidecar> finished;
  const std::multimap<std::size_t, std::size_t> copies{{0, 3}};
  const Groups groups{.ranks = {{0, 1}, {2, 3}}, .hosts = {"n1", "n1", "n2", "n2"}};
  RunOptions options;
  std::optional<RunRecords> records;
};

TEST_F(Records, AClipThatIsLostWithTwoRanksIsSetAside) {
  assign(1, 0);
  assign(2, 2);
  records->lost(3, "rank 3 (node n2)", "has died");
  assign(2, 0);
  records->quarantined(2, lost_twice);
  EXPECT_EQ(records->summary(0).quarantined, 1u);
  EXPECT_EQ(exit_code(Summary{.done = 3, .quarantined = 1}), 1);
  EXPECT_EQ(lines_of(content("results.csv")).back(), "1,c,42,quarantined,0.000,,it is set aside,2,0");
  const std::vector<std::string> log = lines_of(read_file(options.joblog));
  ASSERT_EQ(log.size(), 2u) << "the attempt that was lost with the group of rank 3; b goes on";
  EXPECT_TRUE(log[1].starts_with("3\tn2\t")) << log[1];
  EXPECT_TRUE(log[1].ends_with("\t1\t0\twanfarm render prompts.yaml --only c")) << log[1];
  EXPECT_EQ(finish(75), (RunCounts{.done = 0, .failed = 1, .left = 3}));
  EXPECT_TRUE(
      contains(content("metrics.prom"), "wanfarm_ranks_lost_total{output=\"" + run.output().string() + "\"} 1\n"));
  EXPECT_TRUE(contains(content("metrics.prom"), "kind=\"lost\"} 1\n"));
  EXPECT_TRUE(contains(content("failed.yaml"), "# quarantined (permanent, attempt 2, rank 0): it is set aside\n"));
}

TEST_F(Records, WhatFailsFailsWithItsCopies) {
  assign(0, 2);
  records->failed(0, Error(Error::resource, "no memory"), true);
  EXPECT_EQ(records->summary(0).left, 4u) << "it is tried again";
  assign(0, 0);
  records->failed(0, Error(Error::permanent, "NaN"), false);
  const std::vector<std::string> rows = lines_of(content("results.csv"));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[1], "1,a,42,failed,0.000,,NaN,2,0");
  EXPECT_EQ(rows[2], "1,d,42,failed,0.000,,NaN,2,0");
  EXPECT_EQ(finish(75), (RunCounts{.done = 0, .failed = 2, .left = 2}));
}

TEST_F(Records, WhatIsTriedAgainHasNotFailed) {
  assign(0, 0);
  records->failed(0, Error(Error::permanent, "NaN"), false);
  assign(1, 2);
  records->cancelled(1);
  records->at_work({});
  EXPECT_TRUE(contains(content("failed.yaml"), "\"d\"")) << content("failed.yaml");
  EXPECT_EQ(records->summary(0).left, 1u);
  records->retried(0, RunObserver::Ended::failed);
  records->retried(1, RunObserver::Ended::cancelled);
  EXPECT_EQ(records->summary(0).left, 4u);
  finish(75);
  EXPECT_EQ(content("failed.yaml"), "");
}

TEST_F(Records, ACancelledClipIsNeitherFailedNorLeft) {
  records->cancelled(0);
  EXPECT_EQ(finish(75), (RunCounts{.done = 0, .failed = 0, .left = 2})) << "nor is its copy";
  EXPECT_EQ(exit_code(Summary{.done = 3, .cancelled = 1}), 0);
  EXPECT_TRUE(contains(content("failed.yaml"), "# cancelled\n")) << content("failed.yaml");
}

TEST_F(Records, AnAttemptThatADrainEndsIsLogged) {
  assign(0, 0);
  records->handed_over(0, {});
  assign(0, 2);
  records->interrupted(0, Stage::low, 75);
  const std::vector<std::string> log = lines_of(read_file(options.joblog));
  ASSERT_EQ(log.size(), 2u) << "one attempt, though two groups had it";
  EXPECT_TRUE(contains(log[1], "\t75\t0\t")) << log[1];
  EXPECT_TRUE(log[1].starts_with("1\tn2\t")) << log[1];
}

TEST_F(Records, OfAPartOfTheListLeaveTheOthersAsTheyEnded) {
  assign(1, 2);
  records->failed(1, Error(Error::permanent, "NaN"), false);
  records->cancelled(2);
  finish(75);
  for (Job& job : jobs) job.name = "later-" + job.name;
  options.request["--only"] = "later*";
  begin();
  assign(1, 0);
  records->failed(1, Error(Error::permanent, "NaN"), false);
  const std::vector<std::string> rows = lines_of(content("results.csv"));
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[1], "1,b,42,failed,0.000,,NaN,1,2");
  EXPECT_EQ(rows[2], "1,c,42,cancelled,0.000,,,0,");
  EXPECT_EQ(rows[3], "1,later-b,42,failed,0.000,,NaN,1,0");
  EXPECT_EQ(finish(75), (RunCounts{.done = 0, .failed = 1, .left = 3})) << "figures of this run alone";
  options.request.erase("--only");
  begin();
  EXPECT_EQ(lines_of(content("results.csv")).size(), 1u) << "the list is another one now";
}

TEST_F(Records, WhatIsFoundFinishedKeepsTheAttemptThatFinishedIt) {
  Sidecar& sidecar = finished[1];
  sidecar.job = jobs[1];
  sidecar.fingerprint = "f1";
  sidecar.video_file = "b.mp4";
  sidecar.seconds = {{"high", 1.5}};
  begin();
  records->finished_before({{"f1", {.number = 3, .rank = 2}}});
  EXPECT_EQ(lines_of(content("results.csv")).back(), "1,b,42,done,1.500,b.mp4,,3,2");
  begin();
  EXPECT_EQ(lines_of(content("results.csv")).size(), 1u) << "it is this run's own to tell";
  finished.clear();
}

TEST_F(Records, OfAnotherListLeaveFinishedClipsAsLongAsTheirVideosAreThere) {
  Sidecar& sidecar = finished[1];
  sidecar.job = jobs[1];
  sidecar.video_file = "b.mp4";
  begin();
  records->finished_before({});
  for (Job& job : jobs) job.name = "later-" + job.name;
  finished.clear();
  write_file(run.output() / "b.mp4", "video");
  begin();
  EXPECT_EQ(lines_of(content("results.csv")).size(), 2u);
  std::filesystem::remove(run.output() / "b.mp4");
  begin();
  EXPECT_EQ(lines_of(content("results.csv")).size(), 1u);
}

TEST_F(Records, TheListOfWhatFailedIsPartOfTheFoldersList) {
  EXPECT_TRUE(brings_own_list(options, run.output()));
  write_file(run.output() / "failed.yaml", "prompts: [a]");
  options.request["LIST"] = run.output() / "failed.yaml";
  EXPECT_FALSE(brings_own_list(options, run.output()));
  EXPECT_TRUE(brings_own_list(options, folder.path())) << "it is rendered into another folder";
}

TEST(Summaries, AddUpToAllClips) {
  EXPECT_EQ(to_text(Summary{.done = 1, .skipped = 2, .failed = 3, .left = 4}),
            "1 rendered, 2 finished before, 3 failed, 4 left");
  EXPECT_EQ(to_text(Summary{.skipped = 2, .failed = 2, .quarantined = 1, .cancelled = 3}),
            "0 rendered, 2 finished before, 2 failed, 1 set aside, 3 cancelled, 0 left");
}

TEST_F(Records, CountsOfAnotherCommandsRunAreNotTaken) {
  finish(0);
  EXPECT_TRUE(read_run_counts(run.output()));
  ::setenv("WANFARM_RUN_ID", "of another front end", 1);
  EXPECT_FALSE(read_run_counts(run.output()));
  ::unsetenv("WANFARM_RUN_ID");
  EXPECT_FALSE(read_run_counts(folder / "none"));
}

}  // namespace
}  // namespace wf
