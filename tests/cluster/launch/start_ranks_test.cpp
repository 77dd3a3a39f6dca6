// tests/cluster/launch/start_ranks_test.cpp: --ranks: which launcher is started and how, what signals do, and which
// exit code is returned. First with scripts instead of mpirun and srun, then with the real mpirun.
#include "cluster/launch/start_ranks.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <set>
#include <sstream>
#include <thread>

#include "base/error.hpp"
#include "tests/launcher/program.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

using Strings = std::vector<std::string>;

/// Waits up to 30 s for a condition.
bool becomes_true(const std::function<bool()>& done) {
  for (int i = 0; i < 3000 && !done(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return done();
}

/// The tests may themselves run inside a job, whose variables must not reach the program.
void unset_variables_of_launchers() {
  for (const auto& [name, value] : environment())
    for (const char* const family : {"OMPI_", "PMI_", "PMIX_", "SLURM_", "SRUN_", "WANFARM_"})
      if (name.starts_with(family)) ::unsetenv(name.c_str());
}

class StartRanks : public testing::Test {
 protected:
  void SetUp() override { unset_variables_of_launchers(); }
};

TEST(CommandOfRanks, LeavesOutWhatTheFrontEndObeys) {
  EXPECT_EQ(command_of_ranks({"wanfarm", "render", "--on-finish", "echo --ranks 3", "a.yaml", "--ranks", "8", "--json",
                              "--on-finish=mail me", "--ranks=2", "--size=96x96"}),
            (Strings{"wanfarm", "render", "a.yaml", "--json", "--size=96x96"}));
}

/// With a script as the launcher. It records how it was called, and then runs `action`.
class StubLauncher : public StartRanks {
 protected:
  void make_stub(const std::string& name, const std::string& action) {
    const Path file = folder_.write("tools/" + name,
                                    "#!/bin/bash\n"
                                    "printf '%s\\n' \"$0\" \"$@\" >command\n"
                                    "env >variables\n"
                                    "ps -o pgid= -p $$ >group\n"
                                    "for n in USR1 TERM; do trap \"echo $n >>signals\" $n; done\n"
                                    "echo $$ >process.part; mv process.part process\n" +
                                        action + "\n");
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  }
  Surroundings surroundings(Strings variables = {}) const {
    variables.push_back("TMPDIR=" + folder_.path().string());
    variables.push_back("PATH=" + (folder_ / "tools").string() + ":/usr/bin:/bin");
    return {.input = "something", .environment = variables};
  }
  ProgramResult start(const Strings& arguments, const Strings& variables = {}) const {
    return run(folder_.path(), arguments, surroundings(variables));
  }
  bool written(const std::string& name) const { return std::filesystem::exists(folder_ / name); }
  std::string read(const std::string& name) const { return written(name) ? read_file(folder_ / name) : ""; }

  TempFolder folder_;
};

/// The stub keeps SIGUSR1 to itself, as the mpirun of some Open MPI does.
TEST_F(StubLauncher, ARankIsAskedToDrainEvenIfMpirunDoesNotPassItOn) {
  make_stub("mpirun",
            "while [ \"$1\" != --oversubscribe ]; do shift; done; shift\n"
            "OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_LOCAL_RANK=0 \"$@\" &\n"
            "while kill -0 $! 2>kill.err; do wait $!; code=$?; done; exit $code");
  Program program(folder_.path(), {"--ranks", "2", "drain"}, surroundings());
  while (program.running() && !written("waiting-0")) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  program.signal(SIGINT);
  const ProgramResult outcome = program.wait();
  EXPECT_EQ(outcome.code, 75) << outcome.err;
  EXPECT_EQ(read("signals"), "USR1\n") << "mpirun hears of it as well";
}

TEST_F(StubLauncher, MpirunGetsTheProgramAndItsArgumentsWithoutRanks) {
  make_stub("mpirun", "exit 0");
  EXPECT_EQ(start({"code", "--ranks", "4", "two words", "", "--ranks=4"}).code, 0);
  EXPECT_EQ(lines_of(read("command")), (Strings{folder_ / "tools/mpirun", "-n", "4", "--bind-to", "none",
                                                "--oversubscribe", WF_PROGRAM, "code", "two words", ""}));
}

TEST_F(StubLauncher, RanksThatMayBeLostAreStartedAgainUntilThreeStartsInARowFinishNothing) {
  const std::string count = "echo start >>starts; ", left = "\"$WANFARM_EXIT_FILE\"; ";
  make_stub("mpirun", count + "[[ $(wc -l <starts) != 2 ]] || printf + >>" + left + "exit 0");
  const ProgramResult outcome = start({"--restarts", "3", "--ranks", "4", "code"});
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_EQ(lines_of(read("starts")).size(), 5u) << "the second one finished a clip, and three more did not";
  EXPECT_NE(outcome.err.find("ranks were lost; it is started again"), std::string::npos) << outcome.err;
  EXPECT_NE(read("command").find("--enable-recovery"), std::string::npos);

  std::filesystem::remove(folder_ / "starts");
  make_stub("mpirun", count + "[[ $(wc -l <starts) == 2 ]] && echo 0 >>" + left + "exit 137");
  EXPECT_EQ(start({"--restarts", "3", "--ranks", "4", "code"}).code, 0);
  EXPECT_EQ(lines_of(read("starts")).size(), 2u);
}

TEST_F(StubLauncher, WhatIsNoLossIsNotStartedAgain) {
  for (const int code : {1, 2, 3, 5, 75}) {
    make_stub("mpirun", "echo start >>starts; exit " + std::to_string(code));
    EXPECT_EQ(start({"--restarts", "3", "--ranks", "4", "code"}).code, code);
    EXPECT_EQ(lines_of(read("starts")).size(), 1u) << code;
    std::filesystem::remove(folder_ / "starts");
  }
}

TEST_F(StubLauncher, OneRankRunsInThisProcess) {
  make_stub("mpirun", "exit 0");
  EXPECT_EQ(start({"--ranks", "1", "code", "42"}).code, 42);
  EXPECT_FALSE(written("command"));
}

TEST_F(StubLauncher, ExitCodesOfARunPassThroughAndOthersAreExplained) {
  for (const int code : {0, 1, 2, 3, 4, 5, 75, 130, 143}) {
    make_stub("mpirun", "exit " + std::to_string(code));
    const ProgramResult outcome = start({"--ranks", "2", "code"});
    EXPECT_EQ(outcome.code, code);
    EXPECT_EQ(outcome.err, "") << code;
  }
  make_stub("mpirun", "exit 137");
  const ProgramResult killed = start({"--ranks", "2", "code"});
  EXPECT_EQ(killed.code, 1);
  EXPECT_NE(killed.err.find("signal 9 (Killed)"), std::string::npos) << killed.err;
  make_stub("mpirun", "exit 42");
  EXPECT_EQ(start({"--ranks", "2", "code"}).code, 1);
}

TEST_F(StubLauncher, TheExitCodeThatRankZeroLeavesOverridesTheLaunchers) {
  make_stub("mpirun", "echo 75 >\"$WANFARM_EXIT_FILE\"; echo \"$WANFARM_EXIT_FILE\" >file; exit 0");
  EXPECT_EQ(start({"--ranks", "2", "code"}).code, 75);
  EXPECT_FALSE(std::filesystem::exists(lines_of(read("file")).at(0))) << "the file was left behind";
}

/// Behind mpirun's own arguments stands what it starts as rank 0 of two.
constexpr const char* as_rank_zero =
    "while [ \"$1\" != --oversubscribe ]; do shift; done; shift; [ \"$1\" != --enable-recovery ] || shift\n"
    "OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_LOCAL_RANK=0 \"$@\"\n";

/// The disk may be full by then.
TEST_F(StubLauncher, WhatRankZeroLeavesTakesNoRoomThatWasNotThereAtTheStart) {
  const std::string room = "stat -c '%s %b' \"$WANFARM_EXIT_FILE\" >>room\n";
  make_stub("mpirun", room + as_rank_zero + room + "exit 0");
  EXPECT_EQ(start({"clips", "1000", "130", "--restarts", "3", "--ranks", "2"}).code, 130);
  const Strings found = lines_of(read("room"));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0], found[1]);
  EXPECT_EQ(found[0].find("0 "), std::string::npos) << "nothing is reserved: " << found[0];
}

TEST_F(StubLauncher, ARankThatCannotLeaveTheExitCodeSaysSo) {
  make_stub("mpirun", "export WANFARM_EXIT_FILE=/dev/full\n" + std::string(as_rank_zero) + "exit 0");
  const ProgramResult outcome = start({"clips", "3", "0", "--restarts", "0", "--ranks", "2"});
  EXPECT_NE(outcome.err.find("/dev/full: the process that started the ranks cannot be told"), std::string::npos)
      << outcome.err;
  EXPECT_NE(outcome.err.find("No space left on device"), std::string::npos) << outcome.err;
}

TEST_F(StubLauncher, WithoutMpirunTheErrorNamesThePackageToInstall) {
  const ProgramResult outcome = run(folder_.path(), {"--ranks", "2", "code"}, {.environment = {"PATH=/nowhere"}});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.err.find("openmpi-bin"), std::string::npos) << outcome.err;
}

TEST_F(StubLauncher, AJobOfSlurmUsesSrunAndItsExitCode) {
  make_stub("srun", "exit 75");
  EXPECT_EQ(start({"--ranks", "4", "code"}, {"SLURM_JOB_ID=7", "SLURM_PROCID=0", "SLURM_NTASKS=4"}).code, 75);
  EXPECT_EQ(lines_of(read("command")), (Strings{folder_ / "tools/srun", "--mpi=pmix", "--kill-on-bad-exit=0",
                                                "--no-kill", "-n", "4", WF_PROGRAM, "code"}));
  EXPECT_EQ(read("variables").find("WANFARM_EXIT_FILE"), std::string::npos) << "rank 0 may be on another node";
}

TEST_F(StubLauncher, TheLauncherHasAnEmptyStdinAndItsOwnProcessGroup) {
  make_stub("mpirun", "cat >input; exit 0");
  EXPECT_EQ(start({"--ranks", "2", "code"}).code, 0);
  EXPECT_EQ(read("input"), "");
  EXPECT_EQ(std::stoi(read("group")), std::stoi(read("process")));
}

TEST_F(StubLauncher, OutputIsPassedOnToTheLastByteWithoutWaitingForProcessesLeftBehind) {
  make_stub("mpirun", "sleep 1000 & echo $! >left; seq 100000; seq 5 >&2; exit 3");
  const ProgramResult outcome = start({"--ranks", "2", "code"});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_EQ(lines_of(outcome.out).size(), 100000u);
  EXPECT_TRUE(outcome.out.ends_with("\n99999\n100000\n"));
  EXPECT_EQ(outcome.err, "1\n2\n3\n4\n5\n");
  EXPECT_EQ(::kill(std::stoi(read("left")), SIGKILL), 0) << "the program has waited for it";
}

TEST_F(StubLauncher, TheFirstSignalAsksForADrain) {
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGHUP}) {
    std::filesystem::remove(folder_ / "process");
    std::filesystem::remove(folder_ / "signals");
    make_stub("mpirun", "while [[ ! -s signals ]]; do sleep 0.02; done; exit 75");
    Program program(folder_.path(), {"--ranks", "2", "code"}, surroundings());
    ASSERT_TRUE(becomes_true([&] { return written("process"); }));
    program.signal(signal);
    EXPECT_EQ(program.wait().code, 75);
    EXPECT_EQ(read("signals"), "USR1\n");
  }
}

TEST_F(StubLauncher, ASecondSignalEndsTheRanks) {
  for (const int signal : {SIGINT, SIGTERM}) {
    std::filesystem::remove(folder_ / "process");
    std::filesystem::remove(folder_ / "signals");
    make_stub("mpirun", "until grep -q TERM signals; do sleep 0.02; done 2>grep; exit 1");
    Program program(folder_.path(), {"--ranks", "2", "code"}, surroundings());
    ASSERT_TRUE(becomes_true([&] { return written("process"); }));
    program.signal(signal);
    ASSERT_TRUE(becomes_true([&] { return read("signals") == "USR1\n"; }));
    program.signal(signal);
    EXPECT_EQ(program.wait().code, 128 + signal);
    EXPECT_EQ(read("signals"), "USR1\nTERM\n");
  }
}

TEST_F(StubLauncher, ASecondSighupAsksForADrainAgainAndEndsNothing) {
  make_stub("mpirun", "until [[ $(grep -c USR1 signals) = 2 ]]; do sleep 0.02; done 2>grep; exit 75");
  Program program(folder_.path(), {"--ranks", "2", "code"}, surroundings());
  ASSERT_TRUE(becomes_true([&] { return written("process"); }));
  program.signal(SIGHUP);
  ASSERT_TRUE(becomes_true([&] { return read("signals") == "USR1\n"; }));
  program.signal(SIGHUP);
  EXPECT_EQ(program.wait().code, 75);
  EXPECT_EQ(read("signals"), "USR1\nUSR1\n");
}

TEST_F(StubLauncher, ASighupThatNohupIgnoresIsNotForwarded) {
  make_stub("mpirun", "until [[ -s signals ]]; do sleep 0.02; done; exit 75");
  ::signal(SIGHUP, SIG_IGN);  // the program inherits it
  Program program(folder_.path(), {"--ranks", "2", "code"}, surroundings());
  ::signal(SIGHUP, SIG_DFL);
  ASSERT_TRUE(becomes_true([&] { return written("process"); }));
  program.signal(SIGHUP);
  program.signal(SIGTERM);  // would be the second signal, which ends the ranks, if the first counted
  EXPECT_EQ(program.wait().code, 75);
  EXPECT_EQ(read("signals"), "USR1\n");
}

TEST_F(StubLauncher, AThirdSignalKillsALauncherThatHangs) {
  make_stub("mpirun", "while :; do sleep 0.02; done");
  Program program(folder_.path(), {"--ranks", "2", "code"}, surroundings());
  ASSERT_TRUE(becomes_true([&] { return written("process"); }));
  program.signal(SIGTERM);
  ASSERT_TRUE(becomes_true([&] { return read("signals") == "USR1\n"; }));
  program.signal(SIGTERM);
  ASSERT_TRUE(becomes_true([&] { return read("signals") == "USR1\nTERM\n"; }));
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait().code, 143);
}

TEST_F(StubLauncher, ALauncherThatADrainKillsAtItsStartLeavesWork) {
  make_stub("mpirun", "trap - USR1; touch untrapped; while :; do sleep 0.02; done");
  Program program(folder_.path(), {"--ranks", "2", "code"}, surroundings());
  ASSERT_TRUE(becomes_true([&] { return written("untrapped"); }));
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait().code, 75);
}

/// The kernel sends the signal as each of the parent's threads ends, so the launcher may catch it more than once.
TEST_F(StubLauncher, TheLauncherIsTerminatedWhenItsParentIsKilled) {
  make_stub("mpirun", "until [[ -s signals ]]; do sleep 0.02; done; touch ended; exit 0");
  Program program(folder_.path(), {"--ranks", "2", "code"}, surroundings());
  ASSERT_TRUE(becomes_true([&] { return written("process"); }));
  program.signal(SIGKILL);
  program.wait();
  EXPECT_TRUE(becomes_true([&] { return written("ended"); }));
  const Strings signals = lines_of(read("signals"));
  EXPECT_EQ(std::set(signals.begin(), signals.end()), std::set<std::string>{"TERM"});
}

TEST_F(StubLauncher, InARankTheFlagMayOnlyRepeatTheNumberOfRanks) {
  make_stub("mpirun", "exit 0");
  const Strings world{"OMPI_COMM_WORLD_RANK=0", "OMPI_COMM_WORLD_SIZE=4"};
  const ProgramResult same = start({"--ranks", "4", "code", "5"}, world);
  EXPECT_EQ(same.code, 5);
  EXPECT_NE(same.err.find("no effect"), std::string::npos) << same.err;
  const ProgramResult other = start({"--ranks", "3", "code", "5"}, world);
  EXPECT_EQ(other.code, 2);
  EXPECT_NE(other.err.find("has started 4"), std::string::npos) << other.err;
  const ProgramResult silent =
      start({"--ranks", "3", "code", "5"}, {"OMPI_COMM_WORLD_RANK=1", "OMPI_COMM_WORLD_SIZE=4"});
  EXPECT_EQ(silent.code, 0);
  EXPECT_EQ(silent.err, "");
  EXPECT_EQ(start({"--ranks", "4", "code"}, {"OMPI_COMM_WORLD_RANK=0", "OMPI_COMM_WORLD_SIZE=1"}).code, 2);
  EXPECT_FALSE(written("command"));
}

TEST_F(StubLauncher, AnInheritedExitFileVariableDoesNotHideTheExitCode) {
  EXPECT_EQ(start({"code", "5"}, {"WANFARM_EXIT_FILE=/dev/null"}).code, 5);
}

TEST_F(StubLauncher, RanksKnowTheCommandThatTheUserGave) {
  make_stub("mpirun", "printf %s \"$WANFARM_COMMAND\" | tr '\\037' '\\n' >given; exit 0");
  EXPECT_EQ(start({"code", "--ranks", "4", "two words"}).code, 0);
  EXPECT_EQ(lines_of(read("given")), (Strings{WF_PROGRAM, "code", "--ranks", "4", "two words"}));
  ::setenv("WANFARM_COMMAND", "wanfarm\x1frender\x1fmy list.yaml", 1);
  EXPECT_EQ(command_of_user(), (Strings{"wanfarm", "render", "my list.yaml"}));
  ::unsetenv("WANFARM_COMMAND");
  EXPECT_NE(command_of_user().at(0).find("start_ranks_test"), std::string::npos) << "else it is this process's";
}

TEST_F(StubLauncher, VariablesThatTheUserSetKeepTheirValues) {
  make_stub("mpirun", "");
  make_stub("srun", "");
  const std::string path = (folder_ / "tools").string(), single_copy = "OMPI_MCA_btl_vader_single_copy_mechanism";
  EXPECT_EQ(launch_of(2, {"x"}, {{"PATH", path}}).added_variables.at(single_copy), "none");
  EXPECT_FALSE(launch_of(2, {"x"}, {{"PATH", path}, {single_copy, "cma"}}).added_variables.contains(single_copy));
  const Environment job{{"PATH", path}, {"SLURM_JOB_ID", "7"}, {"SLURM_CPUS_PER_TASK", "8"}};
  EXPECT_EQ(launch_of(2, {"x"}, job).added_variables.at("SRUN_CPUS_PER_TASK"), "8");
  EXPECT_EQ(launch_of(2, {"x"}, job).added_variables.at("SLURM_PMIX_FENCE"), "ring");
  Environment own = job;
  own["SRUN_CPUS_PER_TASK"] = "4";
  own["SLURM_PMIX_FENCE"] = "tree";
  EXPECT_TRUE(launch_of(2, {"x"}, own).added_variables.empty());
}

TEST_F(StubLauncher, RanksOfThisNodeNeedNoSsh) {
  make_stub("mpirun", "");
  const std::string path = (folder_ / "tools").string(), starter = "OMPI_MCA_plm";
  EXPECT_EQ(launch_of(2, {"x"}, {{"PATH", path}}).added_variables.at(starter), "isolated");
  make_stub("ssh", "");
  EXPECT_FALSE(launch_of(2, {"x"}, {{"PATH", path}}).added_variables.contains(starter))
      << "mpirun's own choice is right";
}

TEST_F(StubLauncher, RanksStartedInAShellOfSrunShareItsStep) {
  make_stub("srun", "");
  const Environment shell{{"PATH", folder_ / "tools"}, {"SLURM_JOB_ID", "7"}, {"SLURM_STEP_ID", "0"}};
  const Strings command = launch_of(2, {"x"}, shell).command;
  EXPECT_NE(std::find(command.begin(), command.end(), "--overlap"), command.end());
}

TEST_F(StubLauncher, AJobWithoutSrunUsesMpirun) {
  make_stub("mpirun", "");
  const Environment container{{"PATH", folder_ / "tools"}, {"SLURM_JOB_ID", "7"}};
  EXPECT_EQ(launch_of(2, {"x"}, container).command.front(), folder_ / "tools/mpirun");
}

class RealMpirun : public StartRanks {
 protected:
  bool all_wait() const {
    return becomes_true([this] {
      for (const char* const name : {"waiting-0", "waiting-1", "waiting-2"})
        if (!std::filesystem::exists(folder_ / name)) return false;
      return true;
    });
  }

  TempFolder folder_;
};

TEST_F(RealMpirun, AnExitCodePassesThroughWithoutOutput) {
  for (const int code : {0, 1, 2, 75}) {
    const ProgramResult outcome = run(folder_.path(), {"--ranks", "3", "code", std::to_string(code)});
    EXPECT_EQ(outcome.code, code);
    EXPECT_EQ(outcome.err + outcome.out, "") << code;
  }
}

TEST_F(RealMpirun, OutputOfRankZeroPassesThroughUnchanged) {
  const ProgramResult alone = run(folder_.path(), {"lines", "2000"});
  const ProgramResult ranks = run(folder_.path(), {"--ranks", "3", "lines", "2000"});
  EXPECT_EQ(lines_of(alone.out).size(), 2000u);
  EXPECT_TRUE(ranks.out == alone.out) << ranks.out.size() << " bytes of " << alone.out.size();
}

TEST_F(RealMpirun, AKilledRankIsNamed) {
  const ProgramResult outcome = run(folder_.path(), {"--ranks", "3", "kill", "1", "9"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("rank 1"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("by signal 9 (Killed), and the run with it"), std::string::npos) << outcome.err;
}

TEST_F(RealMpirun, EveryRankIsAskedToDrain) {
  Program program(folder_.path(), {"--ranks", "3", "drain"});
  ASSERT_TRUE(all_wait());
  program.signal(SIGINT);
  const ProgramResult outcome = program.wait();
  EXPECT_EQ(outcome.code, 75);
  for (const char* const rank : {"rank 0", "rank 1", "rank 2"})
    EXPECT_NE(outcome.out.find(std::string(rank) + " stopped"), std::string::npos) << outcome.out << outcome.err;
}

TEST_F(RealMpirun, TheSecondSignalEndsEveryRankWithinSeconds) {
  Program program(folder_.path(), {"--ranks", "3", "kill", "9", "9"});  // no rank 9: all wait
  ASSERT_TRUE(all_wait());
  const auto start = std::chrono::steady_clock::now();
  program.signal(SIGINT);  // two pending signals of one kind might be merged
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait().code, 143);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10)) << "the ranks had to be killed";
}

}  // namespace
}  // namespace wf
