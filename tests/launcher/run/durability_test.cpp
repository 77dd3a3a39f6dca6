// tests/launcher/run/durability_test.cpp: killed, stopped, disk full: what a run leaves, and that the next one
// completes it.
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "tests/launcher/program.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

std::vector<std::string> render_arguments(const std::string& output) {
  return {"render", "list.yaml", "--model", golden_model_folder(), "--output", output, "--threads", "1", "--quiet"};
}

std::map<std::string, std::string> frames_of(const Path& output) {
  std::map<std::string, std::string> hashes;
  for (const auto& entry : std::filesystem::directory_iterator(output)) {
    if (entry.path().extension() != ".json") continue;
    hashes[entry.path().stem()] = Json::parse(read_file(entry.path())).at("frames_sha256");
  }
  return hashes;
}

/// What must hold in the output folder at any moment: no part, and a complete video for every sidecar.
void expect_whole(const Path& output) {
  if (!std::filesystem::exists(output)) return;
  for (const auto& entry : std::filesystem::directory_iterator(output)) {
    EXPECT_NE(entry.path().extension(), ".part") << entry.path();
    if (entry.path().extension() != ".json") continue;
    const Json sidecar = Json::parse(read_file(entry.path()));
    EXPECT_EQ(std::filesystem::file_size(output / sidecar.at("video").at("file").get<std::string>()),
              sidecar.at("video").at("bytes"));
  }
}

int finished_clips(const Path& output) {
  if (!std::filesystem::exists(output)) return 0;
  int clips = 0;
  for (const auto& entry : std::filesystem::directory_iterator(output)) clips += entry.path().extension() == ".json";
  return clips;
}

/// The moment is random but always within the run, however loaded the machine is: some clips after its start, and some
/// milliseconds after that. Each kill leaves at least one of the 16 clips for the next run.
TEST(Durability, KilledAtRandomMomentsARunStillCompletes) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(16, 60));
  ASSERT_EQ(run(folder.path(), render_arguments("whole")).code, 0);

  std::mt19937 random(20240607);  // fixed, so that a failure can be repeated as far as timing allows
  std::uniform_int_distribution<int> clips(0, 3), milliseconds(0, 30);
  int kills = 0;
  for (const std::string output : {"first", "second", "third"}) {
    for (int kill = 0; kill < 4; ++kill) {
      const int until = finished_clips(folder / output) + clips(random);
      Program program(folder.path(), render_arguments(output));
      while (program.running() && finished_clips(folder / output) < until) std::this_thread::sleep_for(1ms);
      std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds(random)));
      kills += program.running();
      program.signal(SIGKILL);
      program.wait();
      expect_whole(folder / output);
    }
    ASSERT_EQ(run(folder.path(), render_arguments(output)).code, 0);
    expect_whole(folder / output);
    EXPECT_EQ(frames_of(folder / output), frames_of(folder / "whole"));
    EXPECT_TRUE(files_below(folder / output / ".wanfarm/work").empty());
  }
  EXPECT_EQ(kills, 12) << "every run was to be killed at work";
}

/// Waits until the log of the run holds `text`, or the program has ended.
void wait_for_log(Program& program, const Path& log, const std::string& text) {
  while (program.running() && !(std::filesystem::exists(log) && read_file(log).find(text) != std::string::npos))
    std::this_thread::sleep_for(5ms);
}

/// Waits for the second step of a clip; false when the program has ended before.
bool wait_for_a_step(Program& program) {
  while (program.running()) {
    if (program.stderr_so_far().find(" 2/1000") != std::string::npos) return true;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

TEST(Durability, StoppedBySigtermItExitsWith75AndGoesOnToTheSameFrames) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1, 1000));
  ASSERT_EQ(run(folder.path(), render_arguments("whole")).code, 0);

  std::vector<std::string> arguments = render_arguments("stopped");
  arguments.back() = "--log-level=trace";  // instead of --quiet: a line for each step
  Program program(folder.path(), arguments);
  ASSERT_TRUE(wait_for_a_step(program));
  program.signal(SIGTERM);
  const ProgramResult stopped = program.wait();
  ASSERT_EQ(stopped.code, 75) << stopped.err;
  EXPECT_FALSE(std::filesystem::is_empty(folder / "stopped/.wanfarm/store")) << "the state is stored";
  expect_whole(folder / "stopped");

  ASSERT_EQ(run(folder.path(), render_arguments("stopped")).code, 0);
  EXPECT_EQ(frames_of(folder / "stopped"), frames_of(folder / "whole"));
  const std::string resumed = Json::parse(read_file(folder / "stopped/clip-1.json")).at("how").at("steps_resumed");
  std::printf("continued from step %s of 1000\n", resumed.c_str());
  EXPECT_NE(resumed, "0");
}

TEST(Durability, AFullDiskExitsWith5AndLeavesNothingHalf) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(2));
  std::vector<std::string> arguments = render_arguments("full");
  arguments.insert(arguments.end(), {"--codec", "y4m"});  // 15 kB a clip, more than the limit
  const ProgramResult outcome = run(folder.path(), arguments, {.largest_file = 8000});
  EXPECT_EQ(outcome.code, 5) << outcome.err;
  expect_whole(folder / "full");
  EXPECT_TRUE(frames_of(folder / "full").empty());
  EXPECT_EQ(run(folder.path(), arguments).code, 0);
  expect_whole(folder / "full");
}

TEST(Durability, ASecondRunInTheSameFolderIsRefused) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(8, 1000));
  Program first(folder.path(), render_arguments("out"));
  wait_for_log(first, folder / "out/log/rank-000.log", "high_noise_model: ");
  const ProgramResult second = run(folder.path(), render_arguments("out"));
  EXPECT_EQ(second.code, 3) << second.err;
  EXPECT_NE(second.err.find("another run"), std::string::npos) << second.err;
}

}  // namespace
}  // namespace wf
