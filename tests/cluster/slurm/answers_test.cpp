// tests/cluster/slurm/answers_test.cpp: what is read of the answers of Slurm's programs. The texts are those of Slurm
// 22.05.
#include <gtest/gtest.h>

#include "cluster/slurm/cluster_info.hpp"
#include "cluster/slurm/job_state.hpp"
#include "cluster/slurm/own_job.hpp"
#include "cluster/slurm/program.hpp"
#include "cluster/slurm/slurm_time.hpp"

namespace wf {
namespace {

TEST(SlurmTime, IsReadInEachOfSlurmsForms) {
  EXPECT_EQ(parse_slurm_time("90"), 90 * 60);
  EXPECT_EQ(parse_slurm_time("2:30"), 150);
  EXPECT_EQ(parse_slurm_time("04:00:00"), 4 * 3600);
  EXPECT_EQ(parse_slurm_time("1-12"), 36 * 3600);
  EXPECT_EQ(parse_slurm_time("1-02:30"), 26 * 3600 + 1800);
  EXPECT_EQ(parse_slurm_time("1-02:30:05"), 26 * 3600 + 1805);
}

TEST(SlurmTime, IsNothingElse) {
  for (const char* const text :
       {"", "4h", "1:2:3:4", "-5", "1-", "1:", "UNLIMITED", "infinite", "1.5", "1-1-1", "9999999"})
    EXPECT_FALSE(parse_slurm_time(text)) << text;
}

TEST(SlurmTime, IsWrittenSoThatSlurmReadsTheSame) {
  for (const std::int64_t seconds : {300, 4 * 3600, 86400, 90061}) {
    EXPECT_EQ(parse_slurm_time(slurm_time_text(seconds)), seconds);
  }
  EXPECT_EQ(slurm_time_text(4 * 3600), "04:00:00");
  EXPECT_EQ(slurm_time_text(36 * 3600), "1-12:00:00");
}

TEST(SlurmMoment, IsReadInThisMachinesTimeZone) {
  ::setenv("TZ", "Europe/Berlin", 1);
  ::tzset();
  EXPECT_EQ(parse_slurm_moment("2026-11-30T18:00:00"), 1796058000) << "17:00 UTC";
  EXPECT_EQ(parse_slurm_moment("2026-07-01T18:00:00"), 1782921600) << "in summer, 16:00 UTC";
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  for (const char* const text : {"", "Unknown", "N/A", "2026-11-30", "2026-11-30T18:00:00Z"})
    EXPECT_FALSE(parse_slurm_moment(text)) << text;
}

const char* const two_partitions =
    "PartitionName=debug AllowGroups=ALL Default=NO QoS=N/A DefaultTime=NONE MaxNodes=2 MaxTime=00:30:00 MinNodes=0 "
    "Nodes=n[1-4] State=UP TotalCPUs=8 TotalNodes=4\n"
    "PartitionName=main AllowGroups=ALL Default=YES QoS=N/A MaxNodes=UNLIMITED MaxTime=UNLIMITED MinNodes=0 "
    "Nodes=n[1-4] State=UP TotalCPUs=8 TotalNodes=4\n";

TEST(Partitions, HaveAsManyNodesAsAJobMayHave) {
  const std::vector<Partition> all = parse_partitions(two_partitions);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].nodes, 2);
  EXPECT_EQ(all[0].most_seconds, 1800);
  EXPECT_EQ(all[1].nodes, 4);
  EXPECT_FALSE(all[1].most_seconds);
}

TEST(Partitions, AreFoundByNameOrAsTheDefault) {
  const std::vector<Partition> all = parse_partitions(two_partitions);
  EXPECT_EQ(find_partition(all, "debug"), &all[0]);
  EXPECT_EQ(find_partition(all, ""), &all[1]);
  EXPECT_EQ(find_partition(all, "gpu"), nullptr);
}

TEST(Nodes, HaveGpusWithAndWithoutANameAndSockets) {
  const std::vector<NodeKind> kinds =
      parse_nodes("4|2|gpu:2\n2|96|gpu:h100:8(S:0-1),nvme:1\n9|64+|(null)\nsinfo: error: no such partition\n");
  ASSERT_EQ(kinds.size(), 3u);
  EXPECT_EQ(kinds[0].gpus, 2);
  EXPECT_EQ(kinds[0].gpu, "");
  EXPECT_EQ(kinds[1].gpus, 8);
  EXPECT_EQ(kinds[1].gpu, "h100");
  EXPECT_EQ(kinds[1].cpus, 96);
  EXPECT_EQ(kinds[2].gpus, 0);
  EXPECT_EQ(kinds[2].cpus, 64);
  EXPECT_EQ(most_gpus(kinds), &kinds[1]);
  EXPECT_EQ(most_gpus({kinds[2]}), nullptr);
  const std::vector<NodeKind> mixed = parse_nodes("2|96|gpu:a100:2,gpu:h100:4(S:0),gpu:h100:2(S:1)\n");
  ASSERT_EQ(mixed.size(), 2u) << "a node with two types is of two kinds";
  EXPECT_EQ(mixed[0].gpus, 2);
  EXPECT_EQ(mixed[1].gpu, "h100");
  EXPECT_EQ(mixed[1].gpus, 6);
}

TEST(MpiTypes, AreTheLinesOfOneWord) {
  const std::vector<std::string> types{"pmix", "none", "pmi2"};
  EXPECT_EQ(parse_mpi_types(
                "MPI plugin types are...\n\tpmix\n\tnone\n\tpmi2\nspecific pmix plugin versions available: pmix_v4\n"),
            types);
  EXPECT_EQ(parse_mpi_types("srun: MPI types are...\nsrun: pmix\nsrun: none\nsrun: pmi2\n"), types);
}

std::string job_line(const std::string& state, const std::string& code) {
  return "JobId=1 JobName=wrap Priority=42 JobState=" + state +
         " Reason=Resources Dependency=(null) Requeue=1 Restarts=2 ExitCode=" + code +
         " DerivedExitCode=0:0 RunTime=00:00:00\n";
}

TEST(JobStates, AreReadOfALine) {
  const auto job = parse_job_state(job_line("PENDING", "0:0"));
  ASSERT_TRUE(job);
  EXPECT_TRUE(job->waits());
  EXPECT_FALSE(job->has_ended());
  EXPECT_EQ(job->reason, "Resources");
  EXPECT_EQ(job->restarts, 2);
  EXPECT_FALSE(parse_job_state(""));
  EXPECT_FALSE(parse_job_state("slurm_load_jobs error: Invalid job id specified\n"));
}

TEST(JobStates, TellWhenAJobBeginsAndEndsAndItsComment) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  const auto job = parse_job_state(
      "JobId=1 JobState=RUNNING Reason=None Restarts=0 ExitCode=0:0 RunTime=00:00:01 StartTime=2026-11-30T17:00:00 "
      "EndTime=2026-11-30T18:00:00 Deadline=N/A Comment=142/248, eta 3:10 h Power=\n");
  ASSERT_TRUE(job);
  EXPECT_EQ(job->begins, 1796058000);
  EXPECT_EQ(job->ends, 1796058000 + 3600);
  EXPECT_EQ(job->comment, "142/248,");
  const auto waiting = parse_job_state("JobState=PENDING StartTime=Unknown EndTime=Unknown Comment=(null)\n");
  EXPECT_FALSE(waiting->begins);
  EXPECT_FALSE(waiting->ends);
  EXPECT_EQ(waiting->comment, "");
}

TEST(OwnJob, IsThatOfTheEnvironment) {
  EXPECT_FALSE(own_job({}));
  const auto job = own_job({{"SLURM_JOB_ID", "17"}, {"SLURM_RESTART_COUNT", "3"}});
  ASSERT_TRUE(job);
  EXPECT_EQ(job->id, "17");
  EXPECT_EQ(job->name, "17");
  EXPECT_EQ(job->starts, 4);
}

TEST(OwnJob, OfATaskHasTheNumberOfTheArrayInItsName) {
  const auto task = own_job({{"SLURM_JOB_ID", "19"}, {"SLURM_ARRAY_JOB_ID", "17"}, {"SLURM_ARRAY_TASK_ID", "2"}});
  ASSERT_TRUE(task);
  EXPECT_EQ(task->id, "19");
  EXPECT_EQ(task->name, "17_2");
  EXPECT_EQ(task->starts, 1);
}

TEST(JobStates, OfAnEndedJobStandForAnExitCode) {
  EXPECT_EQ(exit_code_of(*parse_job_state(job_line("COMPLETED", "0:0"))), 0);
  EXPECT_EQ(exit_code_of(*parse_job_state(job_line("FAILED", "4:0"))), 4);
  EXPECT_EQ(exit_code_of(*parse_job_state(job_line("TIMEOUT", "0:15"))), 75);
  EXPECT_EQ(exit_code_of(*parse_job_state(job_line("CANCELLED", "0:0"))), 75);
  EXPECT_TRUE(parse_job_state(job_line("NODE_FAIL", "0:0"))->has_ended());
  EXPECT_FALSE(parse_job_state(job_line("COMPLETING", "0:0"))->has_ended());
}

TEST(JobStates, OfAnArrayAreThoseOfTheTaskFurthestFromItsEnd) {
  const std::string done = job_line("COMPLETED", "0:0"), failed = job_line("FAILED", "1:0");
  EXPECT_EQ(parse_job_state(done + job_line("RUNNING", "0:0") + job_line("PENDING", "0:0"))->state, "RUNNING");
  EXPECT_EQ(parse_job_state(failed + job_line("PENDING", "0:0") + done)->state, "PENDING");
  EXPECT_EQ(exit_code_of(*parse_job_state(done + failed + done)), 1);
  EXPECT_EQ(exit_code_of(*parse_job_state(done + done)), 0);
}

TEST(Programs, AnswerWithTheirOutputAndExitCode) {
  const ProgramAnswer answer = answer_of({"sh", "-c", "echo 'two words'; exit 7"});
  EXPECT_EQ(answer.out, "two words\n");
  EXPECT_EQ(answer.code, 7);
  EXPECT_EQ(answer_of({"no-such-program-of-slurm"}).code, 127);
}

}  // namespace
}  // namespace wf
