// tests/launcher/run/control_test.cpp: status, explain and control on a run that is at work, and after it.
#include "jobs/record/control.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.hpp"
#include "jobs/record/history.hpp"
#include "launcher/status/status_json.hpp"
#include "tests/launcher/program.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

class Control : public ::testing::Test {
 protected:
  /// Clips of so many steps that each is still at work whenever the test looks.
  Control() {
    folder.write("list.yaml",
                 "defaults: {size: 128x128, frames: 81, steps: 1000}\n"
                 "prompts: [first clip, second clip, third clip]\n");
  }

  std::vector<std::string> render() const {
    return {"render", "list.yaml", "--model", golden_model_folder().string(), "--output", "out", "--threads",
            "1",      "--device",  "cpu"};
  }
  ProgramResult control(std::vector<std::string> words) const {
    words.insert(words.begin(), {"control", "out"});
    return run(folder.path(), words);
  }
  /// Read in this process, since it is asked for again and again.
  nlohmann::json status() const {
    try {
      const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
      return status_json(read_history(folder / "out"), now, true);
    } catch (const Error&) {
      return {};  // the run has not begun
    }
  }
  std::string state_of(std::size_t clip) const { return status().at("clip_list").at(clip).at("state"); }
  /// Waits until it holds, at most a minute.
  template <class Condition>
  static bool comes_true(const Condition& condition) {
    for (int i = 0; i < 600; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(100ms);
    }
    return false;
  }
  void wait_until_a_clip_is_at_work() const {
    ASSERT_TRUE(comes_true([&] {
      const nlohmann::json now = status();
      return !now.is_null() && now.at("clips").at("running") == 1 && now.at("ranks").at(0).contains("step") &&
             !now.at("ranks").at(0).at("step").is_null();
    })) << status().dump(1);
  }

  TempFolder folder;
};

TEST_F(Control, ReachesARunThatIsAtWork) {
  Program rendering(folder.path(), render());
  wait_until_a_clip_is_at_work();
  Program watching(folder.path(), {"status", "out", "--watch"});
  const ProgramResult pause = control({"pause"});
  EXPECT_EQ(pause.code, 0) << pause.err;
  EXPECT_TRUE(contains(pause.out, "pause: taken by the run on ")) << pause.out;
  EXPECT_TRUE(comes_true([&] { return status().at("state") == "paused"; })) << status().dump(1);
  EXPECT_TRUE(comes_true([&] { return contains(watching.stdout_so_far(), "out: paused on "); }));
  EXPECT_EQ(control({"resume"}).code, 0);
  EXPECT_EQ(control({"cancel", "3"}).code, 0);
  EXPECT_TRUE(comes_true([&] { return state_of(2) == "cancelled"; })) << status().dump(1);
  EXPECT_EQ(control({"retry", "3"}).code, 0);
  EXPECT_TRUE(comes_true([&] { return state_of(2) == "waiting"; })) << status().dump(1);
  EXPECT_EQ(control({"drain"}).code, 0);
  EXPECT_EQ(rendering.wait().code, 75);
  EXPECT_EQ(nlohmann::json::parse(run(folder.path(), {"status", "out", "--json"}).out).at("exit_code"), 75);

  const ProgramResult watched = watching.wait();
  EXPECT_EQ(watched.code, 0) << watched.err;
  EXPECT_TRUE(contains(watched.out, "out: paused on ")) << watched.out;
  EXPECT_TRUE(contains(watched.out, "with exit code 75")) << "it ends with the run, and not before: " << watched.out;
  const ProgramResult ended = run(folder.path(), {"status", "out"});
  EXPECT_TRUE(contains(ended.out, "with exit code 75")) << ended.out;
  const ProgramResult explained = run(folder.path(), {"explain", "out", "1"});
  EXPECT_TRUE(contains(explained.out, "given to rank 0")) << explained.out;
  EXPECT_TRUE(contains(explained.out, "Its state is on the disk")) << explained.out;
}

TEST_F(Control, WithoutARunLeavesOnlyWhatIsAboutClips) {
  Program rendering(folder.path(), render());
  wait_until_a_clip_is_at_work();
  rendering.signal(SIGTERM);
  EXPECT_EQ(rendering.wait().code, 75);
  for (const std::string action : {"drain", "pause", "resume"}) {
    const ProgramResult result = control({action});
    EXPECT_EQ(result.code, 3) << action;
    EXPECT_TRUE(contains(result.err, "no run is at work in out: there is nothing to " + action)) << result.err;
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "out/.wanfarm/control")) << "nothing is left for a later run";
  const ProgramResult cancel = control({"cancel", "1", "2", "3"});
  EXPECT_EQ(cancel.code, 0) << cancel.err;
  EXPECT_TRUE(contains(cancel.out, "cancel takes effect when it is started again")) << cancel.out;
  const ProgramResult again = run(folder.path(), render());
  EXPECT_NE(again.code, 75) << "all clips were cancelled before one began";
  EXPECT_EQ(status().at("clips").at("cancelled"), 3) << status().dump(1);
}

TEST_F(Control, RefusesWhatMakesNoSense) {
  const ProgramResult no_run = control({"drain"});
  EXPECT_EQ(no_run.code, 2);
  EXPECT_TRUE(contains(no_run.err, "out: no run was ever recorded here")) << no_run.err;
  EXPECT_EQ(run(folder.path(), {"status", "out"}).code, 2);
  Journal(folder / "out").add({.kind = Event::began, .rank = 1, .text = "run"});
  EXPECT_TRUE(contains(control({"cancel"}).err, "cancel needs the names or numbers of the clips"));
  EXPECT_TRUE(contains(control({"pause", "1"}).err, "pause takes no clip"));
  EXPECT_TRUE(contains(control({"cancel", "9"}).err, "no clip '9' in the list of out"));
  EXPECT_EQ(control({"cancel", "9"}).code, 2);
  EXPECT_EQ(control({"explode"}).code, 2);
  EXPECT_FALSE(std::filesystem::exists(folder / "out/.wanfarm/control"));
}

TEST_F(Control, WithdrawsARequestThatTheRunDoesNotTake) {
  Journal(folder / "out").add({.kind = Event::began, .rank = 1, .text = "run"});  // as if it loaded its model
  const ProgramResult pause = control({"pause"});
  EXPECT_EQ(pause.code, 3);
  EXPECT_TRUE(contains(pause.err, "has not looked for 15 s; the request is withdrawn")) << pause.err;
  EXPECT_TRUE(take_requests(folder / "out").empty());
}

}  // namespace
}  // namespace wf
