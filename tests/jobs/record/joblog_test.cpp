// tests/jobs/record/joblog_test.cpp: GNU parallel's columns, and what a second run finds.
#include "jobs/record/joblog.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/temp_folder.hpp"

namespace wf {
namespace {

const std::string head = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";
const JoblogEntry entry{.seq = 3,
                        .host = "n2",
                        .began = 1764403200.1234,
                        .seconds = 12.5,
                        .received = 4096,
                        .exit_code = 5,
                        .command = "wanfarm render a\tb.yaml"};
const std::string line = "3\tn2\t1764403200.123\t    12.500\t0\t4096\t5\t0\twanfarm render a b.yaml\n";

TEST(Joblog, HasTheColumnsOfGnuParallel) { EXPECT_EQ(joblog_line(entry), line); }

TEST(Joblog, IsContinuedBelowOneHeadLine) {
  const test::TempFolder folder;
  Joblog(folder / "log").add(entry);
  Joblog(folder / "log").add(entry);
  EXPECT_EQ(read_file(folder / "log"), head + line + line);
}

TEST(Joblog, ALineThatAKillCutShortIsEnded) {
  const test::TempFolder folder;
  folder.write("log", head + "1\tn1\t17");
  Joblog(folder / "log").add(entry);
  EXPECT_EQ(read_file(folder / "log"), head + "1\tn1\t17\n" + line);
}

TEST(Joblog, AnEmptyFileGetsTheHeadLine) {
  const test::TempFolder folder;
  folder.write("log", "");
  Joblog(folder / "log").add(entry);
  EXPECT_EQ(read_file(folder / "log"), head + line);
}

}  // namespace
}  // namespace wf
