// tests/launcher/front_test.cpp: --ranks: which launcher is started and how, what signals do, and which exit code comes
// back. First with scripts in the place of mpirun and srun, then with the real mpirun.
#include "launcher/front.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <sstream>
#include <thread>

#include "cluster/error.hpp"
#include "tests/launcher/program.hpp"

namespace wf {
namespace {

using Words = std::vector<std::string>;

Words split(const std::string& text, char at = '\n') {
  std::istringstream stream(text);
  Words words;
  for (std::string word; std::getline(stream, word, at);) words.push_back(word);
  return words;
}

bool in_time(const std::function<bool()>& done) {
  for (int i = 0; i < 1500 && !done(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return done();
}

/// The variables of this process may be those of a job that runs the tests.
void leave_all_launchers() {
  for (const auto& [name, value] : environment())
    for (const char* const family : {"OMPI_", "PMI_", "PMIX_", "SLURM_", "SRUN_", "WANFARM_"})
      if (name.starts_with(family)) ::unsetenv(name.c_str());
}

class Front : public testing::Test {
 protected:
  void SetUp() override { leave_all_launchers(); }
};

/// With a script for a launcher, which writes down how it was called and then does `action`.
class StubbedFront : public Front {
 protected:
  void make_stub(const std::string& name, const std::string& action) {
    const Path file = folder_.write("tools/" + name,
                                    "#!/bin/bash\n"
                                    "printf '%s\\n' \"$0\" \"$@\" >words\n"
                                    "env >variables\n"
                                    "ps -o pgid= -p $$ >group\n"
                                    "for n in USR1 TERM; do trap \"echo $n >>signals\" $n; done\n"
                                    "echo $$ >process.part; mv process.part process\n" +
                                        action + "\n");
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  }
  Surroundings surroundings(Words variables = {}) const {
    variables.push_back("TMPDIR=" + folder_.path().string());
    variables.push_back("PATH=" + (folder_ / "tools").string() + ":/usr/bin:/bin");
    return {.input = "something", .environment = variables};
  }
  Outcome front(const Words& words, const Words& variables = {}) const {
    return run(folder_.path(), words, surroundings(variables));
  }
  bool written(const std::string& name) const { return std::filesystem::exists(folder_ / name); }
  std::string read(const std::string& name) const { return written(name) ? read_file(folder_ / name) : ""; }

  TempFolder folder_;
};

TEST_F(StubbedFront, MpirunGetsTheProgramWithItsArgumentsButNotRanks) {
  make_stub("mpirun", "exit 0");
  EXPECT_EQ(front({"code", "--ranks", "4", "two words", "", "--ranks=4"}).code, 0);
  EXPECT_EQ(split(read("words")), (Words{folder_ / "tools/mpirun", "-n", "4", "--bind-to", "none", "--oversubscribe",
                                         WF_PROGRAM, "code", "two words", ""}));
}

TEST_F(StubbedFront, OneRankIsThisProcess) {
  make_stub("mpirun", "exit 0");
  EXPECT_EQ(front({"--ranks", "1", "code", "42"}).code, 42);
  EXPECT_FALSE(written("words"));
}

TEST_F(StubbedFront, CodesOfARunPassAndOthersAreExplained) {
  for (const int code : {0, 1, 2, 3, 4, 5, 75, 130, 143}) {
    make_stub("mpirun", "exit " + std::to_string(code));
    const Outcome outcome = front({"--ranks", "2", "code"});
    EXPECT_EQ(outcome.code, code);
    EXPECT_EQ(outcome.err, "") << code;
  }
  make_stub("mpirun", "exit 137");
  const Outcome killed = front({"--ranks", "2", "code"});
  EXPECT_EQ(killed.code, 1);
  EXPECT_NE(killed.err.find("signal 9 (Killed)"), std::string::npos) << killed.err;
  make_stub("mpirun", "exit 42");
  EXPECT_EQ(front({"--ranks", "2", "code"}).code, 1);
}

TEST_F(StubbedFront, WhatRankZeroSaysGoesBeforeTheLauncher) {
  make_stub("mpirun", "echo 75 >\"$WANFARM_EXIT_FILE\"; echo \"$WANFARM_EXIT_FILE\" >file; exit 0");
  EXPECT_EQ(front({"--ranks", "2", "code"}).code, 75);
  EXPECT_FALSE(std::filesystem::exists(split(read("file")).at(0))) << "the file was left behind";
}

TEST_F(StubbedFront, WithoutMpirunItSaysWhatToInstall) {
  const Outcome outcome = run(folder_.path(), {"--ranks", "2", "code"}, {.environment = {"PATH=/nowhere"}});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.err.find("openmpi-bin"), std::string::npos) << outcome.err;
}

TEST_F(StubbedFront, AJobOfSlurmTakesSrunAndItsCodes) {
  make_stub("srun", "exit 75");
  EXPECT_EQ(front({"--ranks", "4", "code"}, {"SLURM_JOB_ID=7", "SLURM_PROCID=0", "SLURM_NTASKS=4"}).code, 75);
  EXPECT_EQ(split(read("words")),
            (Words{folder_ / "tools/srun", "--mpi=pmix", "--kill-on-bad-exit=0", "-n", "4", WF_PROGRAM, "code"}));
  EXPECT_EQ(read("variables").find("WANFARM_EXIT_FILE"), std::string::npos) << "rank 0 may be on another machine";
}

TEST_F(StubbedFront, InputIsEmptyAndTheProcessGroupItsOwn) {
  make_stub("mpirun", "cat >input; exit 0");
  EXPECT_EQ(front({"--ranks", "2", "code"}).code, 0);
  EXPECT_EQ(read("input"), "");
  EXPECT_EQ(std::stoi(read("group")), std::stoi(read("process")));
}

TEST_F(StubbedFront, TheFirstSignalAsksForADrain) {
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) {
    std::filesystem::remove(folder_ / "process");
    std::filesystem::remove(folder_ / "signals");
    make_stub("mpirun", "while [[ ! -s signals ]]; do sleep 0.02; done; exit 75");
    Program program(folder_.path(), {"--ranks", "2", "code"}, surroundings());
    ASSERT_TRUE(in_time([&] { return written("process"); }));
    program.signal(signal);
    EXPECT_EQ(program.wait().code, 75);
    EXPECT_EQ(read("signals"), "USR1\n");
  }
}

TEST_F(StubbedFront, ASecondSignalEndsTheRanks) {
  for (const int signal : {SIGINT, SIGTERM}) {
    std::filesystem::remove(folder_ / "process");
    std::filesystem::remove(folder_ / "signals");
    make_stub("mpirun", "until grep -q TERM signals; do sleep 0.02; done 2>grep; exit 1");
    Program program(folder_.path(), {"--ranks", "2", "code"}, surroundings());
    ASSERT_TRUE(in_time([&] { return written("process"); }));
    program.signal(signal);
    ASSERT_TRUE(in_time([&] { return read("signals") == "USR1\n"; }));
    program.signal(signal);
    EXPECT_EQ(program.wait().code, 128 + signal);
    EXPECT_EQ(read("signals"), "USR1\nTERM\n");
  }
}

TEST_F(StubbedFront, AThirdSignalKillsALauncherThatHangs) {
  make_stub("mpirun", "while :; do sleep 0.02; done");
  Program program(folder_.path(), {"--ranks", "2", "code"}, surroundings());
  ASSERT_TRUE(in_time([&] { return written("process"); }));
  program.signal(SIGTERM);
  ASSERT_TRUE(in_time([&] { return read("signals") == "USR1\n"; }));
  program.signal(SIGTERM);
  ASSERT_TRUE(in_time([&] { return read("signals") == "USR1\nTERM\n"; }));
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait().code, 143);
}

TEST_F(StubbedFront, ALauncherThatTheDrainReachedTooEarlyLeavesWork) {
  make_stub("mpirun", "trap - USR1; while :; do sleep 0.02; done");
  Program program(folder_.path(), {"--ranks", "2", "code"}, surroundings());
  ASSERT_TRUE(in_time([&] { return written("process"); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait().code, 75);
}

TEST_F(StubbedFront, TheLauncherEndsWithAKilledFrontEnd) {
  make_stub("mpirun", "until [[ -s signals ]]; do sleep 0.02; done; touch ended; exit 0");
  Program program(folder_.path(), {"--ranks", "2", "code"}, surroundings());
  ASSERT_TRUE(in_time([&] { return written("process"); }));
  program.signal(SIGKILL);
  program.wait();
  EXPECT_TRUE(in_time([&] { return written("ended"); }));
  EXPECT_EQ(read("signals"), "TERM\n");
}

TEST_F(StubbedFront, BehindALauncherRanksMayOnlyRepeatTheirNumber) {
  make_stub("mpirun", "exit 0");
  const Words world{"OMPI_COMM_WORLD_RANK=0", "OMPI_COMM_WORLD_SIZE=4"};
  const Outcome same = front({"--ranks", "4", "code", "5"}, world);
  EXPECT_EQ(same.code, 5);
  EXPECT_NE(same.err.find("no effect"), std::string::npos) << same.err;
  const Outcome other = front({"--ranks", "3", "code", "5"}, world);
  EXPECT_EQ(other.code, 2);
  EXPECT_NE(other.err.find("has started 4"), std::string::npos) << other.err;
  const Outcome silent = front({"--ranks", "3", "code", "5"}, {"OMPI_COMM_WORLD_RANK=1", "OMPI_COMM_WORLD_SIZE=4"});
  EXPECT_EQ(silent.code, 0);
  EXPECT_EQ(silent.err, "");
  EXPECT_EQ(front({"--ranks", "4", "code"}, {"OMPI_COMM_WORLD_RANK=0", "OMPI_COMM_WORLD_SIZE=1"}).code, 2);
  EXPECT_FALSE(written("words"));
}

TEST_F(StubbedFront, AVariableLeftOverHidesNoCode) {
  EXPECT_EQ(front({"code", "5"}, {"WANFARM_EXIT_FILE=/dev/null"}).code, 5);
}

TEST_F(StubbedFront, WhatTheUserSetStays) {
  make_stub("mpirun", "");
  make_stub("srun", "");
  const std::string path = (folder_ / "tools").string(), single_copy = "OMPI_MCA_btl_vader_single_copy_mechanism";
  EXPECT_EQ(launch_of(2, {"x"}, {{"PATH", path}}).added.at(single_copy), "none");
  EXPECT_FALSE(launch_of(2, {"x"}, {{"PATH", path}, {single_copy, "cma"}}).added.contains(single_copy));
  const Environment job{{"PATH", path}, {"SLURM_JOB_ID", "7"}, {"SLURM_CPUS_PER_TASK", "8"}};
  EXPECT_EQ(launch_of(2, {"x"}, job).added.at("SRUN_CPUS_PER_TASK"), "8");
  Environment own = job;
  own["SRUN_CPUS_PER_TASK"] = "4";
  EXPECT_TRUE(launch_of(2, {"x"}, own).added.empty());
}

TEST_F(StubbedFront, RanksOfThisMachineNeedNoSsh) {
  make_stub("mpirun", "");
  const std::string path = (folder_ / "tools").string(), starter = "OMPI_MCA_plm";
  EXPECT_EQ(launch_of(2, {"x"}, {{"PATH", path}}).added.at(starter), "isolated");
  make_stub("ssh", "");
  EXPECT_FALSE(launch_of(2, {"x"}, {{"PATH", path}}).added.contains(starter)) << "mpirun's own choice is right";
}

TEST_F(StubbedFront, AShellOfSrunSharesItsStep) {
  make_stub("srun", "");
  const Environment shell{{"PATH", folder_ / "tools"}, {"SLURM_JOB_ID", "7"}, {"SLURM_STEP_ID", "0"}};
  const Words words = launch_of(2, {"x"}, shell).words;
  EXPECT_NE(std::find(words.begin(), words.end(), "--overlap"), words.end());
}

TEST_F(StubbedFront, AJobWithoutSrunTakesMpirun) {
  make_stub("mpirun", "");
  const Environment container{{"PATH", folder_ / "tools"}, {"SLURM_JOB_ID", "7"}};
  EXPECT_EQ(launch_of(2, {"x"}, container).words.front(), folder_ / "tools/mpirun");
}

class RealMpirun : public Front {
 protected:
  bool all_wait() const {
    return in_time([this] {
      for (const char* const name : {"waiting-0", "waiting-1", "waiting-2"})
        if (!std::filesystem::exists(folder_ / name)) return false;
      return true;
    });
  }

  TempFolder folder_;
};

TEST_F(RealMpirun, ACodePassesInSilence) {
  for (const int code : {0, 1, 2, 75}) {
    const Outcome outcome = run(folder_.path(), {"--ranks", "3", "code", std::to_string(code)});
    EXPECT_EQ(outcome.code, code);
    EXPECT_EQ(outcome.err + outcome.out, "") << code;
  }
}

TEST_F(RealMpirun, LinesOfRankZeroComeUnchanged) {
  const Outcome alone = run(folder_.path(), {"lines", "2000"});
  const Outcome ranks = run(folder_.path(), {"--ranks", "3", "lines", "2000"});
  EXPECT_EQ(split(alone.out).size(), 2000u);
  EXPECT_TRUE(ranks.out == alone.out) << ranks.out.size() << " bytes of " << alone.out.size();
}

TEST_F(RealMpirun, AKilledRankIsNamed) {
  const Outcome outcome = run(folder_.path(), {"--ranks", "3", "kill", "1", "9"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("rank 1"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("by signal 9 (Killed), and the run with it"), std::string::npos) << outcome.err;
}

TEST_F(RealMpirun, EveryRankHearsOfTheDrain) {
  Program program(folder_.path(), {"--ranks", "3", "drain"});
  ASSERT_TRUE(all_wait());
  program.signal(SIGINT);
  const Outcome outcome = program.wait();
  EXPECT_EQ(outcome.code, 75);
  for (const char* const rank : {"rank 0", "rank 1", "rank 2"})
    EXPECT_NE(outcome.out.find(std::string(rank) + " stopped"), std::string::npos) << outcome.out << outcome.err;
}

TEST_F(RealMpirun, TheSecondSignalEndsEveryRankWithinSeconds) {
  Program program(folder_.path(), {"--ranks", "3", "kill", "9", "9"});  // no rank 9: all wait
  ASSERT_TRUE(all_wait());
  const auto start = std::chrono::steady_clock::now();
  program.signal(SIGTERM);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait().code, 143);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(8));
}

}  // namespace
}  // namespace wf
