// tests/launcher/durability_test.cpp: killed, stopped, disk full: what a run leaves, and that the next one completes
// it.
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

TEST(Durability, KilledAtRandomMomentsARunStillCompletes) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(16, 60));
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(run(folder.path(), render_arguments("whole")).code, 0);
  const auto whole_run = std::chrono::steady_clock::now() - start;

  std::mt19937 random(20240607);  // fixed, so that a failure can be repeated as far as timing allows
  std::uniform_real_distribution<double> share(0.1, 0.8);
  int kills = 0;
  for (const std::string output : {"first", "second", "third"}) {
    for (int kill = 0; kill < 4; ++kill) {
      Program program(folder.path(), render_arguments(output));
      std::this_thread::sleep_for(share(random) * whole_run);
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
  std::printf("%d of 12 runs were killed at work\n", kills);
  EXPECT_GE(kills, 3);
}

/// Waits until the run's log holds `words`, or the program has ended.
void wait_for_log(Program& program, const Path& log, const std::string& words) {
  while (program.running() && !(std::filesystem::exists(log) && read_file(log).find(words) != std::string::npos))
    std::this_thread::sleep_for(5ms);
}

TEST(Durability, StoppedBySigtermItExitsWith75AndGoesOnToTheSameFrames) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1, 1000));
  ASSERT_EQ(run(folder.path(), render_arguments("whole")).code, 0);

  Program program(folder.path(), render_arguments("stopped"));
  wait_for_log(program, folder / "stopped/log/rank-000.log", "high_noise_model: ");
  std::this_thread::sleep_for(50ms);
  program.signal(SIGTERM);
  const Outcome stopped = program.wait();
  ASSERT_EQ(stopped.code, 75) << stopped.err;
  EXPECT_TRUE(std::filesystem::exists(folder / "stopped/.wanfarm/store/clip-1.h5")) << "the state is stored";
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
  const Outcome outcome = run(folder.path(), arguments, {.largest_file = 8000});
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
  const Outcome second = run(folder.path(), render_arguments("out"));
  EXPECT_EQ(second.code, 3) << second.err;
  EXPECT_NE(second.err.find("another run"), std::string::npos) << second.err;
}

}  // namespace
}  // namespace wf
