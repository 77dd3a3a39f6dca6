// tests/launcher/cli/cli_test.cpp: the command line itself: help, invalid input, exit codes, completion.
#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>
#include <sys/wait.h>

#include <cstdlib>

#include "base/text.hpp"
#include "cluster/world.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/cli/completion.hpp"
#include "tests/launcher/program.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

using testing::Test;

TEST(CommandLine, WithoutArgumentsItListsEveryVerb) {
  const TempFolder folder;
  const ProgramResult outcome = run(folder.path(), {});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  for (const Command& command : all_commands()) EXPECT_TRUE(contains(outcome.out, command.name)) << command.name;
}

TEST(CommandLine, VersionIsOneLine) {
  const TempFolder folder;
  const ProgramResult outcome = run(folder.path(), {"--version"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_TRUE(outcome.out.starts_with("wanfarm ")) << outcome.out;
}

TEST(CommandLine, HelpOfEveryVerbHasAnExampleAndAllVisibleFlags) {
  const TempFolder folder;
  for (const Command& command : all_commands()) {
    const ProgramResult outcome = run(folder.path(), {command.name, "--help"});
    EXPECT_EQ(outcome.code, 0) << command.name;
    EXPECT_TRUE(contains(outcome.out, "wanfarm " + command.name)) << outcome.out;
    for (const Flag& flag : command.flags) {
      const std::string name = split_at_commas(flag.names).front();
      EXPECT_EQ(contains(outcome.out, name), !flag.group.empty()) << name;
    }
  }
}

/// The program writes to a device that is always full, or into a pipe that nobody reads any more.
TEST(CommandLine, OutputThatCannotBeWrittenExitsWith5) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  const auto code_of = [&](const std::string& command) {
    write_file(folder / "command", fmt::format("cd '{}'\n{}\n", folder.path().string(), command));
    return WEXITSTATUS(std::system(fmt::format("bash '{}'", (folder / "command").string()).c_str()));
  };
  const std::string model = golden_model_folder();
  for (const std::string& arguments :
       {std::string("--version"), std::string("render --help"), "plan list.yaml --gpus 2 --json --model " + model,
        "render list.yaml --threads 1 --codec y4m --json --model " + model, std::string("status renders --json")}) {
    EXPECT_EQ(code_of(fmt::format("{} {} >/dev/full 2>err", WF_PROGRAM, arguments)), 5) << arguments;
    const std::string said = read_file(folder / "err");
    EXPECT_TRUE(contains(said, "wanfarm: standard output cannot be written: No space left on device\n")) << said;
  }
  EXPECT_EQ(code_of(fmt::format("{} rendr >/dev/full 2>err", WF_PROGRAM)), 2) << "nothing was printed";
  EXPECT_EQ(code_of(fmt::format("trap '' PIPE; {{ sleep 0.2; {} render --help 2>err; echo $? >code; }} | true; "
                                "exit $(cat code)",
                                WF_PROGRAM)),
            0)
      << read_file(folder / "err");
  EXPECT_EQ(read_file(folder / "err"), "");
}

/// An invalid command line, and a part of the message that it must cause.
struct InvalidCommand {
  std::vector<std::string> arguments;
  std::string message;
};

TEST(CommandLine, InvalidCommandsExitWith2AndAHelpfulMessage) {
  const TempFolder folder;
  const InvalidCommand commands[] = {
      {{"rendr", "a.yaml"}, "render"},
      {{"render", "a.yaml", "--stesp", "4"}, "--steps"},
      {{"render"}, "LIST"},
      {{"render", "a.yaml", "--frames", "80"}, "--frames: frames must be 4k+1, got 80"},
      {{"render", "a.yaml", "--size=831x480"}, "--size: "},
      {{"render", "a.yaml", "--heartbeat-timeout", "2"}, "--heartbeat-timeout: "},
      {{"render", "a.yaml", "--collective-timeout", "0"}, "--collective-timeout: "},
      {{"render", "a.yaml", "--checkpoint", "2m"}, "--checkpoint: "},
      {{"render", "a.yaml", "--stop-at", "noon"}, "--stop-at: must be one of boundary, end"},
      {{"finish", "nothing"}, "nothing: has no drafts"},
      {{"render", "a.yaml", "--device", "tpu"}, "--device: must be one of auto, cpu, cuda"},
      {{"render", "a.yaml", "--codec", "av1"}, "--codec: must be one of auto, h264, hevc, ffv1, y4m"},
      {{"render", "a.yaml", "--color", "bt2020"}, "--color: must be one of bt709, bt601"},
      {{"render", "a.yaml", "--verify", "all"}, "--verify: must be one of size, hash, decode"},
      {{"render", "a.yaml", "--fp8-exact-blocks", "3-1"}, "--fp8-exact-blocks: blocks such as 0,1,38-39 are needed"},
      {{"render", "missing.yaml"}, "missing.yaml"},
      {{"render", "a.yaml", "--output", ""}, "--output: the path is empty"},
      {{"submit", "a.yaml", "--output", ""}, "--output: the path is empty"},
      {{"finish", "renders", "--trace", ""}, "--trace: the path is empty"},
      {{"plan", ""}, "LIST: the path is empty"},
      {{"make-model", ""}, "FOLDER: the path is empty"},
      {{"completion", "tcsh"}, "bash"},
      {{"tokenize"}, "--model"},
      {{"inspect", "nothing.mp4"}, "nothing.mp4"},
  };
  for (const InvalidCommand& command : commands) {
    const ProgramResult outcome = run(folder.path(), command.arguments);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, command.message)) << "'" << command.message << "' is not in: " << outcome.err;
  }
  EXPECT_TRUE(files_below(folder.path()).empty()) << "an invalid command wrote something";
}

/// Blocks that are well written, but that cannot be exact: in every verb that takes the flag.
TEST(CommandLine, ExactBlocksThatMeanNothingExitWith2) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  const std::vector<std::vector<std::string>> verbs{{"render", "list.yaml"},
                                                    {"render", "list.yaml", "--dry-run"},
                                                    {"generate", "--prompt", "a star", "--dry-run"},
                                                    {"plan", "list.yaml", "--gpu", "cpu"},
                                                    {"bench", "forward", "--device", "cpu"}};
  for (std::vector<std::string> arguments : verbs) {
    const auto said = [&](const std::string& blocks, const std::string& precision) {
      std::vector<std::string> all = arguments;
      for (const std::string& more : {std::string("--model"), golden_model_folder().string(),
                                      std::string("--fp8-exact-blocks"), blocks, std::string("--precision"), precision})
        all.push_back(more);
      const ProgramResult outcome = run(folder.path(), all);
      EXPECT_EQ(outcome.code, 2) << arguments.front() << ": " << outcome.err;
      return outcome.err;
    };
    for (const auto& [text, part] :
         {std::pair(said("high:2", "fp8"), "--fp8-exact-blocks high:2: an expert of this model has the blocks 0 to 1"),
          std::pair(said("0", "exact"), "--fp8-exact-blocks 0: with --precision exact nothing is computed from 8-bit")})
      EXPECT_TRUE(contains(text, part)) << arguments.front() << ": " << text;
  }
  EXPECT_EQ(files_below(folder.path()).size(), 1u) << "only the list is there";
}

TEST(CommandLine, APlanForAGpuThatCannotComputeSoExitsWith3) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  const auto planned = [&](std::vector<std::string> flags) {
    std::vector<std::string> all{"plan", "list.yaml", "--model", golden_model_folder(), "--gpus", "1"};
    all.insert(all.end(), flags.begin(), flags.end());
    return run(folder.path(), all);
  };
  const InvalidCommand refused[] = {
      {{"--gpu", "a100", "--precision", "fp8-linear"}, "--precision fp8-linear: products of 8-bit numbers need"},
      {{"--gpu", "l40s", "--precision", "fp8"}, "and GPU l40s has 8.9"},
      {{"--gpu", "rtx4090", "--attention", "fa3-fp8", "--precision", "exact"},
       "--attention fa3-fp8: it needs a Hopper"},
      {{"--gpu", "cpu", "--attention", "fa3"}, "--attention fa3: it needs a Hopper"}};
  for (const InvalidCommand& command : refused) {
    const ProgramResult outcome = planned(command.arguments);
    EXPECT_EQ(outcome.code, 3) << outcome.err << outcome.out;
    EXPECT_TRUE(contains(outcome.err, command.message)) << outcome.err;
  }
  const ProgramResult possible = planned({"--gpu", "h100", "--precision", "fp8", "--fp8-exact-blocks", "high:0,1"});
  EXPECT_EQ(possible.code, 0) << possible.err;
  EXPECT_TRUE(contains(possible.out, "fp8, blocks high:0,1 exact")) << possible.out;
}

TEST(CommandLine, ProcessesThatDoNotShareAnMpiWorldAreRefused) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  const ProgramResult outcome = run(folder.path(), {"render", "list.yaml"},
                                    {.environment = {"OMPI_COMM_WORLD_RANK=0", "OMPI_COMM_WORLD_SIZE=4"}});
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_TRUE(contains(outcome.err, "has 1 of them together")) << outcome.err;
  EXPECT_EQ(files_below(folder.path()).size(), 1u) << "only the list is there";
}

TEST(CommandLine, DoctorNamesTheLibrariesOfTheBuildAndFailsForABrokenModel) {
  const TempFolder folder;
  const ProgramResult outcome = run(folder.path(), {"doctor"});
  EXPECT_EQ(outcome.code, 0) << outcome.out;
  for (const char* part : {"LibTorch", "processor", "memory", "disk", "CUDA", "GPU", "libhdf5", "libyaml-cpp"})
    EXPECT_TRUE(contains(outcome.out, part)) << part;
  const ProgramResult broken = run(folder.path(), {"doctor", "--model", folder.path()});
  EXPECT_EQ(broken.code, 3) << broken.out;
  EXPECT_TRUE(contains(broken.out, "missing")) << broken.out;
}

TEST(CommandLine, DoctorNamesMpiAndTheProgramThatStartsRanks) {
  const TempFolder folder;
  const std::string mpirun = folder / "bin/mpirun";
  make_folder(folder / "bin");
  write_file(mpirun, "");
  std::filesystem::permissions(mpirun, std::filesystem::perms::owner_all);
  const ProgramResult with = run(folder.path(), {"doctor"}, {.environment = {"PATH=" + (folder / "bin").string()}});
  EXPECT_TRUE(contains(with.out, "ok      MPI             " + mpi_library())) << with.out;
  EXPECT_TRUE(contains(with.out, "ok      ranks           started with " + mpirun)) << with.out;
  const ProgramResult without = run(folder.path(), {"doctor"}, {.environment = {"PATH=" + folder.path().string()}});
  EXPECT_EQ(without.code, 0) << "one process renders without it";
  EXPECT_TRUE(contains(without.out, "warn    ranks           --ranks: mpirun is not in PATH")) << without.out;
}

TEST(CommandLine, DoctorSaysWhetherFlashAttentionExists) {
  const TempFolder folder;
  const std::string file = folder / "fa3_fwd/_C.abi3.so";
  const Surroundings surroundings{.environment = {"WANFARM_FA3=" + folder.path().string()}};
  const ProgramResult without = run(folder.path(), {"doctor"}, surroundings);
  EXPECT_TRUE(contains(without.out, file + ", which WANFARM_FA3 names, is not there")) << without.out;
  make_folder(folder / "fa3_fwd");
  write_file(file, "");
  const ProgramResult with = run(folder.path(), {"doctor"}, surroundings);
  EXPECT_TRUE(contains(with.out, "ok      FlashAttention  " + file)) << with.out;
}

TEST(Completion, BashCompletesFlagsAndValues) {
  const TempFolder folder;
  write_file(folder / "script", completion_script("bash", all_commands()));
  EXPECT_EQ(std::system(("bash -n " + (folder / "script").string()).c_str()), 0);
  // What bash offers after `wanfarm render --prec`, `wanfarm render --precision e` and `wanfarm control renders pa`.
  const std::string offered =
      "source " + (folder / "script").string() +
      "; COMP_WORDS=(wanfarm render --prec); COMP_CWORD=2; _wanfarm; [[ ${COMPREPLY[0]} == --precision ]];"
      "COMP_WORDS=(wanfarm render --precision e); COMP_CWORD=3; _wanfarm; [[ ${COMPREPLY[0]} == exact ]];"
      "COMP_WORDS=(wanfarm control renders pa); COMP_CWORD=3; _wanfarm; [[ ${COMPREPLY[0]} == pause ]]";
  EXPECT_EQ(std::system(("bash -ec '" + offered + "'").c_str()), 0);
}

TEST(Completion, BashOffersNamesWithBlanksAsTheyAre) {
  const TempFolder folder;
  write_file(folder / "script", completion_script("bash", all_commands()));
  write_file(folder / "two cats.yaml", "");
  write_file(folder / "two cats (*).yaml", "");
  const std::string offered =
      "cd \"$0\"; source ./script; COMP_WORDS=(wanfarm render two); COMP_CWORD=2; _wanfarm; "
      "((${#COMPREPLY[@]} == 2)); for name in \"${COMPREPLY[@]}\"; do [[ -e $name ]]; done";
  EXPECT_EQ(std::system(fmt::format("bash -ec '{}' '{}'", offered, folder.path().string()).c_str()), 0);
}

TEST(Completion, EveryShellKnowsEveryVerbAndFlag) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = completion_script(shell, all_commands());
    for (const Command& command : all_commands()) {
      EXPECT_TRUE(contains(script, command.name)) << shell;
      for (const Flag& flag : command.flags) {
        if (is_argument(flag) || flag.group.empty()) continue;
        const std::string name = split_at_commas(flag.names).back();
        EXPECT_TRUE(contains(script, std::string(shell) == "fish" ? name.substr(2) : name)) << shell << " " << name;
      }
    }
  }
}

}  // namespace
}  // namespace wf
