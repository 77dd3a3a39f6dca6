// tests/launcher/run/frozen_ranks_test.cpp: ranks that stand still without having ended, each in its own way. (That a
// thread hangs in any stage is in cut_short_test.cpp.)
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "base/machine.hpp"
#include "base/sha256.hpp"
#include "tests/launcher/run/rank_runs.hpp"

namespace wf {
namespace {

constexpr double heartbeat_timeout = 5, stall_timeout = 4, within = 10;  ///< seconds

Flags frozen_flags(const Flags& more = {}) {
  Flags flags{"--placement", "resident", "--shift", "1", "--restarts", "0"};
  flags.insert(flags.end(), {"--heartbeat-timeout", std::to_string(std::lround(heartbeat_timeout))});
  flags.insert(flags.end(), {"--stall-timeout", std::to_string(std::lround(stall_timeout))});
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

/// The first line of the log that contains `text`; "" when there is none.
std::string line_with(const std::string& log, const std::string& text) {
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);)
    if (line.find(text) != std::string::npos) return line;
  return "";
}

/// From one line of the log to another, each of which begins with its time of day: 23:59:59.500.
double seconds_between(const std::string& first, const std::string& second) {
  const auto seconds_of = [](const std::string& line) {
    int hours = 0, minutes = 0;
    double seconds = 0;
    EXPECT_EQ(std::sscanf(line.c_str(), "%d:%d:%lf", &hours, &minutes, &seconds), 3) << line;
    return 3600 * hours + 60 * minutes + seconds;
  };
  const double between = seconds_of(second) - seconds_of(first);
  return between < 0 ? between + 24 * 3600 : between;
}

/// mpirun wakes a frozen rank to end it. Until then it goes on, where the next run clears what it leaves.
bool may_begin_parts_when_woken(const std::string& file) {
  return file.starts_with(".wanfarm/work/") || file.starts_with(".wanfarm/store/");
}

class FrozenRank : public testing::Test {
 protected:
  void expect_complete(const std::string& list) const {
    EXPECT_TRUE(ranks_in(folder_.path()).empty()) << "processes are left";
    EXPECT_EQ(of_sidecars(folder_.path(), "latents_sha256"), latents_with(list, 1, {"--shift", "1"}));
    for (const std::string& file : files_below(folder_ / "out"))
      EXPECT_TRUE(!file.ends_with(".part") || may_begin_parts_when_woken(file)) << file;
  }

  TempFolder folder_;
};

class FrozenInStage : public FrozenRank, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Stages, FrozenInStage, testing::Values("text", "high", "low", "decode", "write"),
                         [](const auto& stage) { return std::string(stage.param); });

/// All its threads, as by SIGSTOP: it no longer beats. The others take its clips.
TEST_P(FrozenInStage, ARankIsNamedWithWhatItWasDoingAndTheListFinishes) {
  const std::string stage = GetParam(), list = small_list(6);
  write_file(folder_ / "list.yaml", list);
  const ProgramResult outcome =
      run(folder_.path(), render_flags(2, frozen_flags()), {.environment = {"WANFARM_FAULT=freeze@" + stage + "#1"}});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const std::string named = line_with(outcome.err, "rank 1 (node ");
  EXPECT_NE(named.find("has not been heard of for 5 s"), std::string::npos) << outcome.err;
  EXPECT_NE(named.find("it was at: "), std::string::npos) << outcome.err;
  EXPECT_LT(seconds_between(line_with(outcome.err, "WANFARM_FAULT: freeze"), named), heartbeat_timeout + within);
  expect_complete(list);
}

/// A debugger that has stopped a thread, until this object is destroyed.
class StoppedThread {
 public:
  explicit StoppedThread(pid_t thread) : thread_(thread) {
    if (::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0 ||
        ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) != 0)
      throw std::runtime_error(std::string("ptrace: ") + std::strerror(errno));
    ::waitpid(thread, nullptr, __WALL);
  }
  ~StoppedThread() { ::ptrace(PTRACE_DETACH, thread_, nullptr, nullptr); }
  StoppedThread(const StoppedThread&) = delete;
  StoppedThread& operator=(const StoppedThread&) = delete;

 private:
  pid_t thread_;
};

/// The agent of the rank goes on beating, so only its work tells.
TEST_F(FrozenRank, ARankWhoseComputingThreadIsStoppedIsNamedWithItsClipAndStage) {
  const std::string list = long_list(6, 24);
  write_file(folder_ / "list.yaml", list);
  Program program(folder_.path(), render_flags(2, frozen_flags({"--log-level", "trace"})));
  ASSERT_TRUE(wait_for_a_step(program, 1)) << program.wait().err;
  const StoppedThread main_thread(ranks_in(folder_.path()).at(1));  // the process's number is that of its main thread
  const std::size_t stopped_after = program.stderr_so_far().rfind('\n') + 1;
  const ProgramResult outcome = program.wait();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const std::string named = line_with(outcome.err, "rank 1 (node ");
  EXPECT_NE(named.find("has made no progress"), std::string::npos) << outcome.err;
  EXPECT_NE(named.find("clip c"), std::string::npos) << named;
  EXPECT_NE(named.find("stage "), std::string::npos) << named;
  const std::string last_step =
      outcome.err.substr(0, stopped_after).substr(outcome.err.rfind('\n', stopped_after - 2) + 1);
  EXPECT_LT(seconds_between(last_step, named), stall_timeout + within);
  expect_complete(list);
}

/// The work files of OUTPUT that the process has open.
std::vector<Path> work_files_of(pid_t process, const Path& output) {
  std::vector<Path> files;
  std::error_code error;
  const Path open = Path("/proc") / std::to_string(process) / "fd";
  for (std::filesystem::directory_iterator entry(open, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code gone;
    const Path file = std::filesystem::read_symlink(entry->path(), gone);
    if (!gone && file.parent_path() == output / ".wanfarm/work") files.push_back(file);
  }
  return files;
}

std::string clip_of(const Path& part) { return part.filename().string().substr(0, part.filename().string().find('.')); }

/// The complete video that a frozen rank has not given its name. Rank 0 has others open.
Path left_behind(pid_t rank_0, const Path& output) {
  const std::vector<Path> open = work_files_of(rank_0, output);
  for (const auto& entry : std::filesystem::directory_iterator(output / ".wanfarm/work"))
    if (entry.path().string().find(".y4m.") != std::string::npos && std::ranges::find(open, entry.path()) == open.end())
      return entry.path();
  return {};
}

/// Stops rank 0 while a part of that clip's video is written, and returns its work file. Empty: the run is over.
Path stop_in_the_middle(Program& program, pid_t rank_0, const Path& output, const std::string& clip,
                        std::uintmax_t whole) {
  const auto is_in_the_middle = [&](const Path& file) {
    std::error_code gone;
    const std::uintmax_t bytes = std::filesystem::file_size(file, gone);
    return !gone && clip_of(file) == clip && bytes > 0 && bytes < whole;
  };
  while (program.running()) {
    std::vector<Path> files = work_files_of(rank_0, output);
    if (std::ranges::none_of(files, is_in_the_middle)) continue;
    ::kill(rank_0, SIGSTOP);
    files = work_files_of(rank_0, output);  // as they are for certain
    if (const auto file = std::ranges::find_if(files, is_in_the_middle); file != files.end()) return *file;
    ::kill(rank_0, SIGCONT);
  }
  return {};
}

/// As after its node was suspended: others have its clip by then.
TEST_F(FrozenRank, ARankThatGoesOnWhenAnotherOneWritesItsClipSpoilsNothing) {
  const std::string list = long_list(2, 4);
  write_file(folder_ / "list.yaml", list);
  const Path output = folder_ / "out";
  Program program(folder_.path(),
                  render_flags(2, {"--placement", "resident", "--shift", "1", "--heartbeat-timeout", "5",
                                   "--cfg-parallel", "1", "--ulysses", "1", "--ring", "1"}),
                  {.environment = {"WANFARM_FAULT=freeze@before_rename#1,slow@high#0,slow@decode#0"}});
  while (program.running() && program.stderr_so_far().find("goes on without it") == std::string::npos)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const std::map<int, pid_t> ranks = ranks_in(folder_.path());
  ASSERT_EQ(ranks.size(), 2u) << program.wait().err;
  const Path left = left_behind(ranks.at(0), output);
  ASSERT_FALSE(left.empty());
  const Path written =
      stop_in_the_middle(program, ranks.at(0), output, clip_of(left), std::filesystem::file_size(left));
  ASSERT_FALSE(written.empty()) << program.wait().err;
  EXPECT_NE(written, left) << "two processes make one file";
  ::kill(ranks.at(1), SIGCONT);
  for (int i = 0; i < 3000 && !has_ended(ranks.at(1)); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  ::kill(ranks.at(0), SIGCONT);
  const ProgramResult outcome = program.wait();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  expect_complete(list);
  for (const auto& [sidecar, hash] : of_sidecars(folder_.path(), "file_sha256"))
    EXPECT_EQ(Json(sha256_of_file((output / sidecar).replace_extension(".y4m"))), hash) << sidecar;
}

/// Its opening would wait for a writer, before there is anybody to notice.
TEST_F(FrozenRank, AFifoInPlaceOfAWeightFileIsRefusedByName) {
  write_file(folder_ / "list.yaml", small_list(1));
  std::filesystem::copy(golden_model_folder(), folder_ / "model", std::filesystem::copy_options::recursive);
  const Path fifo = folder_ / "model/high_noise_model/diffusion_pytorch_model-00002-of-00003.safetensors";
  ASSERT_TRUE(std::filesystem::remove(fifo));
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const ProgramResult outcome = run(folder_.path(), render_flags(2, {}, folder_ / "model"));
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_NE(outcome.err.find(fifo.string()), std::string::npos) << outcome.err;
}

/// MPI itself would wait for it for ever.
TEST_F(FrozenRank, ARankThatEndsBeforeMpiHasStartedEndsTheRun) {
  write_file(folder_ / "list.yaml", small_list(1));
  const ProgramResult outcome =
      run(folder_.path(), render_flags(2, {"--restarts", "0"}), {.environment = {"WANFARM_FAULT=kill@start#1"}});
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_NE(outcome.err.find("MPI cannot start: "), std::string::npos) << outcome.err;
  EXPECT_TRUE(ranks_in(folder_.path()).empty()) << "processes are left";
  EXPECT_EQ(render(folder_, 2).code, 0);
}

}  // namespace
}  // namespace wf
