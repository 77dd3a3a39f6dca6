// tests/launcher/submit/job_script_test.cpp: the text of batch scripts.
#include "launcher/submit/job_script.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

JobScript script() {
  JobScript job{.nodes = 2, .ranks_per_node = 8, .seconds = 4 * 3600};
  job.site.partition = "gpu", job.site.account = "project", job.site.cpus_per_node = 96;
  job.folder = "/home/me", job.logs = "/data/renders/log", job.comment = "248 clips of prompts.yaml";
  job.program = "/opt/wanfarm";
  job.arguments = {"render", "prompts.yaml", "--output", "/data/my renders"};
  return job;
}

TEST(JobScript, IsCompleteAndHasNothingThatWasNotAskedFor) {
  EXPECT_EQ(to_text(script()), R"(#!/bin/bash
# 248 clips of prompts.yaml
# Written by `wanfarm submit`. Submitted again, it goes on with what is left.
#SBATCH --job-name=wanfarm
#SBATCH --partition=gpu
#SBATCH --account=project
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=12
#SBATCH --time=04:00:00
#SBATCH --no-kill --open-mode=append
# So long before the limit each rank finishes its step, saves its state and exits with code 75.
#SBATCH --signal=USR1@600
#SBATCH --chdir=/home/me
#SBATCH --output=/data/renders/log/slurm-%j.log

# A fence in which every node waits for all others (Slurm 22.05).
export SLURM_PMIX_FENCE=${SLURM_PMIX_FENCE:-ring}
exec srun --mpi=pmix --kill-on-bad-exit=0 --no-kill --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" /opt/wanfarm render prompts.yaml --output '/data/my renders'
)");
}

TEST(JobScript, LoadsModulesInALoginShellAndStopsWithoutThem) {
  JobScript job = script();
  job.site.modules = {"gcc/12", "openmpi/4.1"};
  const std::string text = to_text(job);
  EXPECT_TRUE(text.starts_with("#!/bin/bash -l\n"));
  EXPECT_TRUE(contains(text, "\nmodule load gcc/12 openmpi/4.1 || exit 3\n"));
}

TEST(JobScript, StartsRanksWithMpirunWhereTheSiteSaysSo) {
  JobScript job = script();
  job.site.launcher = "mpirun";
  EXPECT_TRUE(contains(to_text(job), "\nexec mpirun --bind-to none /opt/wanfarm render"));
  EXPECT_FALSE(contains(to_text(job), "srun"));
}

TEST(JobScript, RunsInAContainerWithItsGpus) {
  JobScript job = script();
  job.site.container = "/img/wf.sif", job.site.program = "/usr/bin/wanfarm";
  EXPECT_TRUE(contains(to_text(job), " apptainer exec --nv /img/wf.sif /usr/bin/wanfarm render"));
  job.has_gpus = false;
  EXPECT_TRUE(contains(to_text(job), " apptainer exec /img/wf.sif"));
}

TEST(JobScript, OfNodesWithoutGpusAsksForNone) {
  JobScript job = script();
  job.has_gpus = false;
  EXPECT_FALSE(contains(to_text(job), "gpus"));
}

TEST(JobScript, NamesTheTypeOfGpuWhereThereAreSeveral) {
  JobScript job = script();
  job.gpu_type = "h100";
  EXPECT_TRUE(contains(to_text(job), "\n#SBATCH --gpus-per-node=h100:8\n"));
}

TEST(JobScript, HasScratchQosDependencyAndFurtherOptions) {
  JobScript job = script();
  job.site.scratch = "/scratch/$USER", job.site.qos = "low", job.site.sbatch = {"--mem=0"};
  job.dependency = dependency_of("42");
  const std::string text = to_text(job);
  for (const char* const line : {"export TMPDIR=\"/scratch/$USER\"\nexport WANFARM_SCRATCH=$TMPDIR",
                                 "#SBATCH --qos=low", "#SBATCH --mem=0", "#SBATCH --dependency=afterany:42"})
    EXPECT_TRUE(contains(text, std::string("\n") + line + "\n")) << line;
  EXPECT_LT(text.find("#SBATCH --mem=0"), text.find("export")) << "sbatch reads options up to the first command";
}

TEST(JobScript, QuotesPathsAndDoublesPercentSigns) {
  JobScript job = script();
  job.folder = "/home/my work", job.logs = "/data/100%/log";
  EXPECT_TRUE(contains(to_text(job), "#SBATCH --chdir=\"/home/my work\"\n"));
  EXPECT_TRUE(contains(to_text(job), "#SBATCH --output=/data/100%%/log/slurm-%j.log\n"));
  job.folder = "/home/\"me\"";
  EXPECT_THROW(to_text(job), Error);
}

TEST(JobScript, OfAnArrayRendersAShardInEachTask) {
  JobScript job = script();
  job.shards = 4;
  const std::string text = to_text(job);
  EXPECT_TRUE(contains(text, "\n#SBATCH --array=1-4\n"));
  EXPECT_TRUE(contains(text, "\n#SBATCH --output=/data/renders/log/slurm-%A-%a.log\n"));
  EXPECT_TRUE(text.ends_with(" --shard \"$SLURM_ARRAY_TASK_ID/4\"\n"));
}

TEST(JobScript, OfShortJobsSignalsEarlierThanTheirLastSixth) {
  JobScript job = script();
  job.seconds = 900;
  EXPECT_TRUE(contains(to_text(job), "--signal=USR1@150\n"));
}

TEST(Dependency, IsTheEndOfAJobOrWhatSbatchTakes) {
  EXPECT_EQ(dependency_of("42"), "afterany:42");
  EXPECT_EQ(dependency_of("afterok:42:43"), "afterok:42:43");
  EXPECT_EQ(dependency_of("singleton"), "singleton");
  for (const char* const wrong : {"", "later", "42 43", "afterok:42\n#SBATCH"})
    EXPECT_THROW(dependency_of(wrong), Error) << wrong;
}

}  // namespace
}  // namespace wf
