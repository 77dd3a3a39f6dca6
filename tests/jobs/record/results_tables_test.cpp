// tests/jobs/record/results_tables_test.cpp: the lines of results.csv and results.jsonl, also after a kill.
#include "jobs/record/results_tables.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>

#include "jobs/list/job_list.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

Job a_job(const std::string& name) {
  Job job = make_job("Rain", {});
  job.name = name;
  return job;
}

Sidecar sidecar_of(const std::string& name) {
  Sidecar sidecar;
  sidecar.job = a_job(name);
  sidecar.fingerprint = "f1";
  sidecar.video_file = name + ".mp4";
  sidecar.seconds = {{"high", 1.5}, {"low", 0.25}};
  sidecar.latents_sha256 = "l1";
  sidecar.frames_sha256 = "p1";
  return sidecar;
}

bool none(const ClipResult&) { return false; }
bool all(const ClipResult&) { return true; }

const Error nan_error(Error::permanent, "NaN in \"latents\"\nat step 3");

TEST(ResultsTables, CsvHoldsOneRowAClipInOrderOfTheirEnds) {
  const test::TempFolder folder;
  const RunFolder run(folder.path());
  ResultsTables tables(run, none);
  tables.add(finished_result(ClipResult::skipped, sidecar_of("old")));
  tables.add(finished_result(ClipResult::done, sidecar_of("a,b"), 2, 5));
  tables.add(failed_result(ClipResult::failed, a_job("c"), nan_error, 3, 0));
  tables.add(failed_result(ClipResult::quarantined, a_job("d"), Error(Error::permanent, "lost"), 2, 1));
  tables.add({.status = ClipResult::cancelled, .job = a_job("e")});
  EXPECT_EQ(read_file(folder / "results.csv"),
            "index,name,seed,status,seconds,video,error,attempts,rank\n"
            "1,old,42,done,1.750,old.mp4,,0,\n"
            "1,\"a,b\",42,done,1.750,\"a,b.mp4\",,2,5\n"
            "1,c,42,failed,0.000,,\"NaN in \"\"latents\"\"\nat step 3\",3,0\n"
            "1,d,42,quarantined,0.000,,lost,2,1\n"
            "1,e,42,cancelled,0.000,,,0,\n");
}

TEST(ResultsTables, JsonLinesSayAllThatIsKnown) {
  EXPECT_EQ(Json::parse(json_line(finished_result(ClipResult::done, sidecar_of("a"), 2, 5))),
            Json::parse(R"({"name": "a", "status": "done", "index": 1, "file": "a.mp4", "seed": 42, "fingerprint": "f1",
                            "seconds": {"high": 1.5, "low": 0.25}, "latents_sha256": "l1", "frames_sha256": "p1",
                            "attempts": 2, "rank": 5})"));
  EXPECT_EQ(
      Json::parse(json_line(failed_result(ClipResult::failed, a_job("c"), nan_error, 3, 0))),
      Json::parse(
          R"({"name": "c", "status": "failed", "index": 1, "seed": 42, "attempts": 3, "rank": 0, "kind": "permanent",
                            "error": "NaN in \"latents\"\nat step 3"})"));
  EXPECT_EQ(Json::parse(json_line({.status = ClipResult::cancelled, .job = a_job("e")})),
            Json::parse(R"({"name": "e", "status": "cancelled", "index": 1, "seed": 42})"));
  const Error foreign(Error::storage, "out\xff(/a: no space");
  EXPECT_EQ(Json::parse(json_line(failed_result(ClipResult::failed, a_job("f"), foreign, 1, 0))).at("error"),
            "out\ufffd(/a: no space");
}

/// In both tables, which say the same although only one of them is read.
TEST(ResultsTables, ARunKeepsWhatItIsToldToAndNoTornLine) {
  const test::TempFolder folder;
  const RunFolder run(folder.path());
  {
    ResultsTables tables(run, none);
    tables.add(finished_result(ClipResult::done, sidecar_of("a"), 1, 0));
    tables.add(finished_result(ClipResult::done, sidecar_of("b,c"), 2, 5));
    tables.add(failed_result(ClipResult::failed, a_job("d"), nan_error, 3, 0));
    tables.add(failed_result(ClipResult::failed, a_job("d"), nan_error, 4, 1));
  }
  const std::string csv = read_file(folder / "results.csv"), lines = read_file(folder / "results.jsonl");
  std::ofstream(folder / "results.csv", std::ios::app) << "2,torn";
  std::ofstream(folder / "results.jsonl", std::ios::app) << "{\"name\": \"torn";
  ResultsTables tables(run, [](const ClipResult& result) { return result.job.name != "a"; });
  EXPECT_EQ(tables.kept_bytes(), std::filesystem::file_size(folder / "results.jsonl"));
  tables.add(finished_result(ClipResult::skipped, sidecar_of("a"), 1, 0));
  EXPECT_EQ(read_file(folder / "results.csv"),
            "index,name,seed,status,seconds,video,error,attempts,rank\n"
            "1,\"b,c\",42,done,1.750,\"b,c.mp4\",,2,5\n"
            "1,d,42,failed,0.000,,\"NaN in \"\"latents\"\"\nat step 3\",4,1\n"
            "1,a,42,done,1.750,a.mp4,,1,0\n");
  EXPECT_EQ(read_result_counts(folder.path()), (ResultCounts{.done = 2, .failed = 1}));
  EXPECT_EQ(read_result_counts(folder.path(), tables.kept_bytes()), (ResultCounts{.done = 1})) << "of this run";
  for (const ClipResult& result : read_results(folder.path()))
    if (result.job.name == "b,c") {
      EXPECT_TRUE(lines.find(json_line(result)) != std::string::npos) << "nothing of the line is lost";
    }
}

TEST(ResultsTables, OfAnOlderVersionAreKeptWithoutTheNumbersThatItDidNotRecord) {
  const test::TempFolder folder;
  const RunFolder run(folder.path());
  write_file(folder / "results.jsonl",
             "{\"name\":\"a\",\"status\":\"cancelled\",\"seed\":-1}\n"
             "{\"name\":\"b\",\"status\":\"lost in space\",\"seed\":1}\n{\"name\":7}\n[]\n");
  const ResultsTables tables(run, all);
  EXPECT_EQ(read_file(folder / "results.csv"),
            "index,name,seed,status,seconds,video,error,attempts,rank\n,a,random,cancelled,0.000,,,0,\n");
  EXPECT_EQ(read_file(folder / "results.jsonl"), "{\"name\":\"a\",\"status\":\"cancelled\",\"seed\":-1}\n");
}

TEST(ResultsTables, AFaultWhileTheyAreBegunLosesNothing) {
  const test::TempFolder folder;
  const RunFolder run(folder.path());
  { ResultsTables(run, none).add(finished_result(ClipResult::done, sidecar_of("a"), 1, 0)); }
  const std::string csv = read_file(folder / "results.csv"), lines = read_file(folder / "results.jsonl");
  int steps = 0;
  inject_file_faults([&](FileStep, const Path&) { return ++steps, 0; });
  { const ResultsTables tables(run, all); }
  ASSERT_GT(steps, 0);
  for (int fault = 1; fault <= steps; ++fault) {
    int step = 0;
    inject_file_faults([&](FileStep, const Path&) { return ++step == fault ? EIO : 0; });
    EXPECT_THROW(ResultsTables(run, all), Error) << "step " << fault;
    inject_file_faults({});
    { const ResultsTables tables(run, all); }
    EXPECT_EQ(read_file(folder / "results.csv"), csv) << "step " << fault;
    EXPECT_EQ(read_file(folder / "results.jsonl"), lines) << "step " << fault;
  }
}

TEST(ResultsTables, CountsTakeTheLastLineOfAClipAndNoTornOne) {
  const test::TempFolder folder;
  EXPECT_EQ(read_result_counts(folder.path()), ResultCounts());
  const RunFolder run(folder.path());
  {
    ResultsTables tables(run, none);
    tables.add(finished_result(ClipResult::skipped, sidecar_of("a")));
    tables.add(failed_result(ClipResult::failed, a_job("b"), nan_error, 3, 0));
    tables.add(failed_result(ClipResult::quarantined, a_job("c"), nan_error, 2, 0));
    tables.add({.status = ClipResult::cancelled, .job = a_job("d")});
    tables.add(finished_result(ClipResult::done, sidecar_of("b"), 4, 1));  // `retry` had it tried again
  }
  std::ofstream(folder / "results.jsonl", std::ios::app) << R"({"name": "e", "status": "done")";
  EXPECT_EQ(read_result_counts(folder.path()), (ResultCounts{.done = 2, .failed = 1, .cancelled = 1}));
}

TEST(ResultsTables, ADiskThatFailsIsAnErrorOfTheDisk) {
  const test::TempFolder folder;
  const RunFolder run(folder.path());
  ResultsTables tables(run, none);
  inject_file_faults([](FileStep step, const Path&) { return step == FileStep::write ? ENOSPC : 0; });
  try {
    tables.add({.status = ClipResult::cancelled, .job = a_job("e")});
    ADD_FAILURE() << "the fault was not reported";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::storage);
  }
  inject_file_faults({});
}

}  // namespace
}  // namespace wf
