// tests/cluster/node_test.cpp: the rank of a process, read from the variables of its launcher, and facts of the node.
#include "cluster/node.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace wf {
namespace {

TEST(Node, AProcessStartedAloneIsRankZeroOfOne) {
  const Rank rank = rank_from({{"HOME", "/root"}});
  EXPECT_EQ(rank.rank, 0);
  EXPECT_EQ(rank.size, 1);
  EXPECT_EQ(rank.local_rank, 0);
}

TEST(Node, RankSizeAndLocalRankAreReadFromEachLaunchersVariables) {
  const std::vector<Environment> launchers{
      {{"OMPI_COMM_WORLD_RANK", "5"}, {"OMPI_COMM_WORLD_SIZE", "8"}, {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}},
      {{"PMI_RANK", "5"}, {"PMI_SIZE", "8"}, {"MPI_LOCALRANKID", "1"}},
      {{"SLURM_PROCID", "5"}, {"SLURM_STEP_NUM_TASKS", "8"}, {"SLURM_LOCALID", "1"}},
  };
  for (const Environment& variables : launchers) {
    const Rank rank = rank_from(variables);
    EXPECT_EQ(rank.rank, 5) << variables.begin()->first;
    EXPECT_EQ(rank.size, 8) << variables.begin()->first;
    EXPECT_EQ(rank.local_rank, 1) << variables.begin()->first;
  }
}

TEST(Node, InsideAJobOfSlurmTheRanksOfMpirunCount) {
  const Rank rank = rank_from({{"SLURM_PROCID", "0"},
                               {"SLURM_STEP_NUM_TASKS", "1"},
                               {"OMPI_COMM_WORLD_RANK", "3"},
                               {"OMPI_COMM_WORLD_SIZE", "4"}});
  EXPECT_EQ(rank.rank, 3);
  EXPECT_EQ(rank.size, 4);
}

TEST(Node, ABatchScriptIsAProcessOfItsOwn) {
  const Rank rank = rank_from({{"SLURM_JOB_ID", "9"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}});
  EXPECT_EQ(rank.rank, 0);
  EXPECT_EQ(rank.size, 1);
}

TEST(Node, AVariableThatIsNotANumberIsNamedInTheError) {
  for (const char* const value : {"", "x", "-1", "1x", "99999999999"}) {
    try {
      rank_from({{"SLURM_PROCID", value}, {"SLURM_STEP_NUM_TASKS", "4"}});
      ADD_FAILURE() << "accepted '" << value << "'";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::environment);
      EXPECT_NE(std::string(error.what()).find("SLURM_PROCID"), std::string::npos);
    }
  }
}

TEST(Node, ThisNodeHasCoresMemoryAndAHostName) {
  const Node node = this_node();
  EXPECT_GE(node.cores, 1);
  EXPECT_GT(node.memory_bytes, std::uint64_t{1} << 26);
  EXPECT_FALSE(node.host.empty());
}

TEST(Node, TheEnvironmentIsThatOfThisProcess) {
  ::setenv("WANFARM_TEST_VARIABLE", "a=b", 1);
  EXPECT_EQ(environment().at("WANFARM_TEST_VARIABLE"), "a=b");
}

}  // namespace
}  // namespace wf
