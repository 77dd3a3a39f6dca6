// tests/launcher/run/disk_faults_test.cpp: the disk fails at each step of a run, one run per step: it is full or
// read-only from then on, the step alone fails, or somebody deletes the folder. The run ends with exit code 5, or does
// without; nothing is torn; and the same command completes the list.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/sha256.hpp"
#include "launcher/cli/cli.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "tests/launcher/run/failing_disk.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using test::DiskStep;
using test::TempFolder;
using Fault = std::function<int(const DiskStep&)>;
using Json = nlohmann::json;

/// What a run in a child process tells this one.
struct Told {
  std::atomic<long> steps = 0;
  std::array<char, 400> failed = {};  ///< the first step that failed
};

Told& told() {
  static void* const shared = ::mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  static Told& all = *new (shared) Told;
  return all;
}

/// Turns the forked child into a run, which ends within a minute or by SIGALRM.
[[noreturn]] void become_run(const Path& folder, const Fault& fault, bool drains) {
  ::alarm(60);
  const int words = ::open((folder / "words").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (::dup2(words, 1) < 0 || ::dup2(words, 2) < 0 || ::chdir(folder.c_str()) != 0) std::_Exit(99);
  if (drains) ::setenv("WANFARM_FAULT", "drain@write", 1);
  test::break_disk((folder / "out").string(), [&fault](const DiskStep& step) {
    told().steps = step.number;
    const int error = fault ? fault(step) : 0;
    if (error != 0 && told().failed[0] == '\0')
      std::snprintf(told().failed.data(), told().failed.size(), "step %ld, %s of %s: %s", step.number, step.call,
                    step.path.c_str(), std::strerror(error));
    return error;
  });
  const std::string output = folder / "out", model = std::string(WF_TEST_DATA) + "/golden/tiny";
  const std::vector<const char*> words_of_command{"wanfarm",  "render",         "list.yaml", "--model", model.c_str(),
                                                  "--output", output.c_str(),   "--threads", "1",       "--device",
                                                  "cpu",      "--save-latents", "--png"};
  const int code = run_command_line(all_commands(), static_cast<int>(words_of_command.size()), words_of_command.data());
  std::cout.flush();
  std::_Exit(code);
}

/// Renders list.yaml into `out`, and returns the exit code; 128 + signal when one ended it. With `drains`, the run is
/// told to stop while it writes the first clip.
int render(const TempFolder& folder, const Fault& fault, bool drains) {
  told().steps = 0;
  told().failed = {};
  const pid_t child = ::fork();
  if (child == 0) become_run(folder.path(), fault, drains);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::map<std::string, std::string> frames_of(const Path& output) {
  std::map<std::string, std::string> frames;
  for (const auto& entry : std::filesystem::directory_iterator(output))
    if (entry.path().extension() == ".json")
      frames[entry.path().stem()] = Json::parse(read_file(entry.path())).at("frames_sha256");
  return frames;
}

/// No part bears a final name, and each sidecar has the video that it speaks of.
void expect_whole(const Path& output) {
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(output, none)) {
    EXPECT_NE(entry.path().extension(), ".part") << entry.path();
    if (entry.path().extension() != ".json") continue;
    const Json sidecar = Json::parse(read_file(entry.path()));
    EXPECT_EQ(sha256_of_file(output / sidecar.at("video").at("file").get<std::string>()),
              sidecar.at("file_sha256").get<std::string>())
        << entry.path();
  }
}

void expect_no_part_below(const Path& output) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(output))
    EXPECT_NE(entry.path().extension(), ".part") << entry.path();
}

/// A list whose first clip is finished, and whose second one is stored, when the run is told to stop.
class DiskFaults : public testing::Test {
 protected:
  void SetUp() override {
    folder_.write("list.yaml",
                  "defaults: {size: 32x32, frames: 5}\n"
                  "prompts: [{name: short, prompt: a kite, steps: 4}, {name: long, prompt: a kite, steps: 200}]\n");
    ASSERT_EQ(render(folder_, {}, false), 0) << words();
    frames_ = frames_of(output());
    ASSERT_EQ(frames_.size(), 2u);
  }

  Path output() const { return folder_ / "out"; }
  std::string words() const { return read_file(folder_ / "words"); }

  /// Once with a fault, and once without. False when the fault has not happened any more.
  bool survives(const Fault& fault) {
    std::filesystem::remove_all(output());
    const int code = render(folder_, fault, true);
    const std::string failed = told().failed.data();
    if (failed.empty()) return false;
    SCOPED_TRACE(failed);
    std::printf("%s: exit code %d\n", failed.c_str(), code);
    EXPECT_TRUE(code == 5 || code == 75) << "exit code " << code << "\n" << words();
    if (code == 5) {
      EXPECT_NE(words().find(output().string()), std::string::npos) << "the message names no file:\n" << words();
    }
    expect_whole(output());
    EXPECT_EQ(render(folder_, {}, false), 0) << words();
    expect_whole(output());
    expect_no_part_below(output());
    EXPECT_EQ(frames_of(output()), frames_);
    return true;
  }

  /// From the first step of a run to its last; of `stride` steps only one, unless there is time (--long).
  void walk(long stride, const std::function<Fault(long)>& fault_at) {
    const char* const has_time = std::getenv("WANFARM_LONG");
    if (has_time && std::string(has_time) == "1") stride = 1;
    long runs = 0;
    while (!HasFailure() && survives(fault_at(1 + runs * stride))) ++runs;
    std::printf("%ld runs with a fault\n", runs);
    EXPECT_GT(runs, 5) << "the disk is not where it is broken";
  }

  TempFolder folder_;
  std::map<std::string, std::string> frames_;
};

TEST_F(DiskFaults, AFullDisk) {
  walk(4, [](long at) {
    return [at](const DiskStep& step) { return step.number >= at && step.needs_room ? ENOSPC : 0; };
  });
}

TEST_F(DiskFaults, AStepThatFailsOnce) {
  walk(1, [](long at) { return [at](const DiskStep& step) { return step.number == at ? EIO : 0; }; });
}

TEST_F(DiskFaults, ADiskThatBecomesReadOnly) {
  walk(12, [](long at) { return [at](const DiskStep& step) { return step.number >= at ? EROFS : 0; }; });
}

TEST_F(DiskFaults, AFolderThatIsDeleted) {
  walk(12, [this](long at) {
    return [this, at](const DiskStep& step) {
      if (step.number == at) std::filesystem::remove_all(output());
      return step.number == at ? ENOENT : 0;
    };
  });
}

}  // namespace
}  // namespace wf
