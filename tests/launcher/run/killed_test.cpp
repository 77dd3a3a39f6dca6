// tests/launcher/run/killed_test.cpp: a process that is killed without warning costs its clip no more than the work
// since the last state that it stored.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "tests/launcher/run/rank_runs.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

/// A process alone.
Flags alone(const Flags& more) {
  Flags flags{"render", "list.yaml", "--model", golden_model_folder(), "--output", "out", "--codec", "y4m"};
  flags.insert(flags.end(), {"--threads", "1", "--device", "cpu"});
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

bool has_stored_a_state(const TempFolder& folder) {
  std::error_code none_yet;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "out/.wanfarm/store", none_yet))
    if (entry.path().extension() == ".h5") return true;
  return false;
}

TEST(Killed, AClipGoesOnFromTheStateThatWasStoredWhileItWasComputed) {
  const std::string list = long_list(1, 120);  // more than a second on any machine
  const TempFolder folder, undisturbed;
  write_file(folder / "list.yaml", list);
  write_file(undisturbed / "list.yaml", list);
  {
    Program program(folder.path(), alone({"--checkpoint", "1s"}));
    while (program.running() && !has_stored_a_state(folder)) std::this_thread::sleep_for(5ms);
    program.signal(SIGKILL);
    ASSERT_EQ(program.wait().code, 128 + SIGKILL) << "it was over before it was killed";
  }
  const ProgramResult rest = run(folder.path(), alone({}));
  ASSERT_EQ(rest.code, 0) << rest.err;
  ASSERT_EQ(run(undisturbed.path(), alone({"--checkpoint", "0"})).code, 0);
  EXPECT_EQ(of_sidecars(folder.path(), "frames_sha256"), of_sidecars(undisturbed.path(), "frames_sha256"));
  EXPECT_GT(std::stoi(of_sidecars(folder.path(), "how").at("c1.json").at("steps_resumed").get<std::string>()), 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder / "out/.wanfarm/store")) << "of a finished clip nothing is left";
}

/// In the program, faults come where a test cannot: each write of a state fails, or kills the process.
TEST(Killed, AStateThatCannotBeStoredCostsNoClip) {
  const TempFolder folder;
  write_file(folder / "list.yaml", long_list(1, 120));
  const ProgramResult outcome =
      run(folder.path(), alone({"--checkpoint", "1"}), {.environment = {"WANFARM_FAULT=enospc@checkpoint"}});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const std::string warning = "c1: its state could not be stored";
  const std::size_t told = outcome.err.find(warning);
  EXPECT_NE(told, std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find(warning, told + 1), std::string::npos) << "once is enough";
}

TEST(Killed, WhatAProcessDidNotFinishWritingIsRemovedByTheNextRun) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  make_folder(folder / "out/.wanfarm/store");
  write_file(folder / "out/.wanfarm/store/abc.h5.123.part", "half a state");
  ASSERT_EQ(run(folder.path(), alone({})).code, 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder / "out/.wanfarm/store"));
}

}  // namespace
}  // namespace wf
