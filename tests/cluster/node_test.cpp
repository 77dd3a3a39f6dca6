// tests/cluster/node_test.cpp: the rank of a process, read from the variables of its launcher, and facts of the node.
#include "cluster/node.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <limits>

#include "base/error.hpp"
#include "base/files.hpp"
#include "cluster/memory_limit.hpp"
#include "tests/temp_folder.hpp"

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

TEST(Node, VariablesInATextAreReplaced) {
  const Environment variables{{"USER", "ada"}, {"JOB_1", "17"}};
  EXPECT_EQ(with_variables("/local/$USER/job-$JOB_1", variables), "/local/ada/job-17");
  EXPECT_EQ(with_variables("/local/${USER}s", variables), "/local/adas");
  EXPECT_EQ(with_variables("/local", variables), "/local");
}

TEST(Node, AVariableWithoutAValueIsNamedInTheError) {
  for (const auto& [text, named] :
       {std::pair("/local/$NONE/x", "NONE"), {"${USER", "${USER"}, {"cost: 5 $", "$NAME"}}) {
    try {
      with_variables(text, {{"USER", "ada"}});
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::input);
      EXPECT_NE(std::string(error.what()).find(named), std::string::npos) << error.what();
    }
  }
}

TEST(Node, HasFreeMemoryAndNoMoreThanItHas) {
  const Node node = this_node();
  EXPECT_GT(node.free_bytes, 0u);
  EXPECT_LE(node.free_bytes, node.memory_bytes);
}

/// The control groups that a process finds itself in, and the limits that they have.
struct ControlGroups {
  std::uint64_t limit(const std::string& own_groups) {
    write_file(folder / "own", own_groups);
    return memory_limit_of_groups(folder / "own", folder.path());
  }
  void set(const std::string& file, const std::string& limit) {
    std::filesystem::create_directories((folder.path() / file).parent_path());
    write_file(folder / file, limit + "\n");
  }
  test::TempFolder folder;
};

constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

TEST(MemoryLimit, IsTheLeastOfAGroupAndThoseAroundIt) {
  ControlGroups groups;
  groups.set("job/step/memory.max", "max");
  EXPECT_EQ(groups.limit("0::/job/step\n"), no_limit);
  groups.set("job/memory.max", "5000");
  EXPECT_EQ(groups.limit("0::/job/step\n"), 5000u);
  groups.set("job/step/memory.max", "7000");
  EXPECT_EQ(groups.limit("0::/job/step\n"), 5000u);
  EXPECT_EQ(groups.limit("0::/other\n"), no_limit);
}

TEST(MemoryLimit, OfVersion1IsThatOfTheMemoryController) {
  ControlGroups groups;
  groups.set("memory/docker/memory.limit_in_bytes", "9000");
  EXPECT_EQ(groups.limit("11:cpu,cpuacct:/docker\n4:memory:/docker\n0::/\n"), 9000u);
  EXPECT_EQ(groups.limit("11:cpu,cpuacct:/docker\n"), no_limit);
}

/// Its path is that outside of the container.
TEST(MemoryLimit, OfAContainerThatIsItsOwnRootIsFound) {
  ControlGroups groups;
  groups.set("memory.max", "4000");
  EXPECT_EQ(groups.limit("0::/../../system.slice/docker-1.scope\n"), 4000u);
  EXPECT_EQ(groups.limit("0::/\n"), 4000u);
}

TEST(MemoryLimit, IsNoneWhereNothingCanBeRead) {
  EXPECT_EQ(memory_limit_of_groups("/no/such/file", "/no/such/folder"), no_limit);
}

}  // namespace
}  // namespace wf
