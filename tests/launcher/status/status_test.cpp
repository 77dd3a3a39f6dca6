// tests/launcher/status/status_test.cpp: what `wanfarm status` shows of a run, as text and as JSON.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "launcher/status/figures.hpp"
#include "launcher/status/status_json.hpp"
#include "launcher/status/status_text.hpp"
#include "tests/launcher/status/told_run.hpp"

namespace wf {
namespace {

using test::ended_run;
using test::now;
using test::told_run;

class Status : public ::testing::Test {
 protected:
  Status() {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }
  static std::string text(const RunHistory& history, double at = now, const Display& display = {}) {
    return status_text(history, "renders", at, display);
  }
  static std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }
};

TEST_F(Status, OfARunShowsItsClipsItsRanksAndWhatHasFailed) {
  EXPECT_EQ(text(told_run()), R"(renders: running on n1 since 14:03:20 (16:40), start 2 in this folder
[###########---------] 55 %, 10:00 left (8:20 to 12:30), 3.6 clips/h
6 clips: 2 done (1 found), 1 running, 1 waiting, 1 failed, 1 quarantined

rank  node  clip       stage   step  s/step  since
0     n1    0003-kite  high   12/40     1.5   0:07
1     n1    -                                 1:30
2     n2    lost

1 clip set aside (quarantined): 0005-kite
1 clip failed (resource): 0004-kite
To see why: wanfarm explain renders 0005-kite
To try again: wanfarm control renders retry
)");
}

TEST_F(Status, OfARunThatEndedSaysHowAndHowItGoesOn) {
  const std::string stopped = text(ended_run(75));
  EXPECT_EQ(first_line(stopped), "renders: ended at 14:18:20 with exit code 75 (stopped with work left)");
  EXPECT_NE(stopped.find("\nTo go on: wanfarm render kites.yaml --ranks 3\n"), std::string::npos) << stopped;
  EXPECT_EQ(stopped.find("rank  node"), std::string::npos) << "no rank does anything any more";
}

TEST_F(Status, OfARunThatLeftNothingButFailuresSaysHowTheyAreTriedAgain) {
  RunHistory history = ended_run(1);
  for (ClipHistory& clip : history.clips)
    if (clip.state == ClipState::waiting) clip.state = ClipState::done;
  EXPECT_NE(text(history).find("\nTo try again: wanfarm render kites.yaml --ranks 3\n"), std::string::npos);
  EXPECT_EQ(text(history).find("To go on"), std::string::npos);
}

TEST_F(Status, OfARunThatLeftClipsOutDoesNotSayThatAllAreDone) {
  RunHistory history = ended_run(0);
  history.live->share = 1;
  EXPECT_EQ(first_line(text(history)), "renders: ended at 14:18:20 with exit code 0 (2 of 6 clips are done)");
  for (ClipHistory& clip : history.clips) clip.state = ClipState::done;
  EXPECT_EQ(first_line(text(history)), "renders: ended at 14:18:20 with exit code 0 (all clips are done)");
}

TEST_F(Status, OfARunOfAPartOfTheListGoesOnWithTheRest) {
  RunHistory history = ended_run(0);
  history.live->clips = 1;
  history.live->share = 1;
  history.info->command = {"wanfarm", "finish", "renders", "--only", "2", "--limit=1", "--ranks", "3"};
  EXPECT_NE(text(history).find("\nTo go on: wanfarm finish renders --ranks 3\n"), std::string::npos) << text(history);
  EXPECT_EQ(text(history).find("100 %"), std::string::npos) << text(history);
}

TEST_F(Status, OfASilentRunSaysThatItsProcessHasDied) {
  const std::string silent = text(told_run(), now + 39);
  EXPECT_EQ(first_line(silent), "renders: silent for 0:40: its process on n1 has died, or its disk is gone");
  EXPECT_NE(silent.find("To go on: wanfarm render"), std::string::npos) << silent;
  EXPECT_EQ(silent.find(" left"), std::string::npos) << "its end is not in sight";
}

TEST_F(Status, OfAPausedRunSaysHowToResumeIt) {
  RunHistory paused = told_run();
  paused.live->state = "paused";
  EXPECT_NE(text(paused).find("\nTo go on: wanfarm control renders resume\n"), std::string::npos);
}

TEST_F(Status, GivesCommandsAsAShellTakesThem) {
  RunHistory history = told_run();
  history.info->command = {"wanfarm", "render", "my list.yaml", "--model", "it's"};
  history.info->folder = "/elsewhere";
  const std::string silent = text(history, now + 39);
  EXPECT_NE(silent.find("To go on, in /elsewhere: wanfarm render 'my list.yaml' --model 'it'\\''s'\n"),
            std::string::npos)
      << silent;
}

TEST_F(Status, FitsTheDisplay) {
  RunHistory history = told_run();
  history.live->ranks.resize(50, history.live->ranks.front());
  history.live->ranks[0].clip = "0003-" + std::string(80, 'k');
  for (const std::size_t columns : {60u, 80u, 100u}) {
    std::istringstream shown(text(history, now, {.columns = columns, .rows = 24}));
    std::size_t lines = 0;
    for (std::string line; std::getline(shown, line); ++lines)
      if (line.find("wanfarm ") == line.npos) {  // commands are to be copied, so they are never cut
        EXPECT_LE(columns_of(line), columns) << line;
      }
    EXPECT_LT(lines, 24u);
  }
}

TEST_F(Status, HasColoursOnlyWhereTheyAreWanted) {
  EXPECT_EQ(text(told_run()).find('\033'), std::string::npos);
  EXPECT_NE(text(told_run(), now, {.colours = true}).find("\033["), std::string::npos);
}

TEST_F(Status, DoesNotSendControlCharactersOfNamesToTheTerminal) {
  RunHistory history = told_run();
  history.live->ranks[0].clip = "evil\033[2J";
  history.info->host = "n1\033[31m";
  EXPECT_EQ(text(history).find('\033'), std::string::npos);
}

TEST_F(Status, BeforeTheListIsWrittenCountsWhatTheRunSays) {
  RunHistory history = told_run();
  history.clips.clear();
  history.live->found = 4;
  EXPECT_NE(text(history).find("\n6 clips: 4 done (4 found), 1 running, 1 waiting\n"), std::string::npos)
      << text(history);
}

JobState job_state_of(const std::string& state, const std::string& reason = "") {
  JobState job{.state = state, .reason = reason};
  job.begins = now + 60, job.ends = now + 3600;
  return job;
}

TEST_F(Status, OfARunInAJobSaysHowThatStands) {
  const SlurmView view{"17", job_state_of("RUNNING")};
  const std::string whole = status_text(told_run(), "renders", now, {}, view);
  const std::string second = whole.substr(whole.find('\n') + 1);
  EXPECT_EQ(first_line(second), "job 17: RUNNING, ends at 15:20:00");
  EXPECT_EQ(status_text(told_run(), "renders", now, {}, SlurmView{"17", {}}), text(told_run())) << "nothing is known";
}

TEST_F(Status, OfAJobThatWaitsSaysWhyAndUntilWhen) {
  SlurmView view{"17", job_state_of("PENDING", "Priority")};
  EXPECT_EQ(slurm_line(view, now), "job 17: PENDING (Priority), expected to begin at 14:21:00");
  view.state->begins.reset(), view.state->restarts = 2;
  EXPECT_EQ(slurm_line(view, now), "job 17: PENDING (Priority), 2 restarts");
  EXPECT_EQ(slurm_line({"17", job_state_of("COMPLETED")}, now), "job 17: COMPLETED");
  EXPECT_EQ(slurm_line({"17", {}}, now), "job 17: Slurm says nothing of it");
}

TEST_F(Status, OfAJobAsJsonHasNullForWhatIsNotKnown) {
  const auto json = status_json(told_run(), now, false, SlurmView{"17", job_state_of("RUNNING")}).at("slurm");
  EXPECT_EQ(json.at("job"), "17");
  EXPECT_EQ(json.at("state"), "RUNNING");
  EXPECT_TRUE(json.at("reason").is_null());
  EXPECT_EQ(json.at("ends"), now + 3600);
  EXPECT_TRUE(slurm_json({"17", {}}).at("state").is_null());
  EXPECT_TRUE(status_json(told_run(), now, false).at("slurm").is_null()) << "there is no job";
}

TEST_F(Status, OfAFolderAsksForTheJobThatHasSomethingToDo) {
  RunHistory history = told_run();
  history.job = {"17", 1};
  EXPECT_EQ(job_of(&history, {}), "17");
  EXPECT_EQ(job_of(&history, SubmittedJob{"18", history.last_event - 1}), "17") << "it began since";
  EXPECT_EQ(job_of(&history, SubmittedJob{"18", history.last_event + 1}), "18") << "it waits";
  EXPECT_EQ(job_of(nullptr, SubmittedJob{"18", 0}), "18");
  EXPECT_EQ(job_of(nullptr, {}), "");
  history.exit_code = 75;
  EXPECT_EQ(job_of(&history, {}), "17") << "it may go on";
  history.exit_code = 0;
  EXPECT_EQ(job_of(&history, {}), "");
}

TEST_F(Status, AsJsonHasEveryFigure) {
  const auto json = status_json(told_run(), now, false);
  EXPECT_EQ(json.at("state"), "running");
  EXPECT_EQ(json.at("epoch"), 2);
  EXPECT_EQ(json.at("host"), "n1");
  EXPECT_TRUE(json.at("exit_code").is_null());
  const nlohmann::json clips = {{"total", 6},  {"waiting", 1},     {"running", 1},   {"done", 2},
                                {"failed", 1}, {"quarantined", 1}, {"cancelled", 0}, {"found", 1}};
  EXPECT_EQ(nlohmann::json(json.at("clips")), clips);
  EXPECT_EQ(json.at("eta_seconds"), 600);
  EXPECT_EQ(json.at("ranks").size(), 3u);
  EXPECT_EQ(json.at("ranks")[0].at("step"), 12);
  EXPECT_EQ(json.at("ranks")[2].at("lost"), true);
  EXPECT_EQ(json.at("ranks")[2].at("node"), "n2");
  EXPECT_EQ(json.at("failures")[0].at("clips").size(), 1u);
  EXPECT_FALSE(json.contains("clip_list"));
}

TEST_F(Status, AsJsonOfARunThatEndedHasItsExitCodeAndIfWantedItsClips) {
  const auto json = status_json(ended_run(1), now, true);
  EXPECT_EQ(json.at("state"), "ended");
  EXPECT_EQ(json.at("exit_code"), 1);
  EXPECT_TRUE(json.at("eta_seconds").is_null());
  ASSERT_EQ(json.at("clip_list").size(), 6u);
  EXPECT_EQ(json.at("clip_list")[3].at("error_kind"), "resource");
  EXPECT_EQ(json.at("clip_list")[3].at("job").at("prompt"), "A red kite over a green field");
}

}  // namespace
}  // namespace wf
