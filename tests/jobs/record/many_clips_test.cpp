// tests/jobs/record/many_clips_test.cpp: what the scheduler and the records cost on rank 0, on a list of 100,000 clips
// that a worker renders in no time, in CPU time. Prints the figures; the bounds leave a tenfold reserve.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <ctime>
#include <iostream>

#include "jobs/record/history.hpp"
#include "jobs/schedule/dispatch.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

constexpr std::size_t clips = 100'000;
constexpr int groups = 8;

/// Counts the CPU time of this process, for a busy machine takes longer.
class Stopwatch {
 public:
  double seconds() const { return static_cast<double>(std::clock() - begin_) / CLOCKS_PER_SEC; }

 private:
  std::clock_t begin_ = std::clock();
};

std::vector<Job> many_jobs() {
  std::vector<Job> jobs(clips);
  for (std::size_t i = 0; i < clips; ++i) {
    jobs[i].name = std::to_string(i + 1) + "-two-cats-in-boxing-gear-s42";
    jobs[i].index = static_cast<int>(i + 1);
    jobs[i].prompt = "Two cats in boxing gear, number " + std::to_string(i);
    jobs[i].seed = 42;
    jobs[i].priority = static_cast<int>(i % 3);
  }
  return jobs;
}

std::vector<std::string> fingerprints() {
  std::vector<std::string> all(clips);
  for (std::size_t i = 0; i < clips; ++i) {
    all[i] = std::to_string(i);
    all[i].insert(0, 64 - all[i].size(), 'f');
  }
  return all;
}

/// The events of a clip that a rank renders: those that a run records.
class NullWorker {
 public:
  NullWorker(Journal& journal, const std::vector<Job>& jobs, const std::vector<std::string>& prints)
      : journal_(journal), jobs_(jobs), prints_(prints) {}

  void render(std::size_t clip, int rank) {
    Event event{.clip = jobs_[clip].name, .fingerprint = prints_[clip], .rank = rank, .attempt = 1};
    event.kind = Event::assigned;
    event.stage = "text-write";
    journal_.add(event);
    for (const Stage stage : all_stages)
      journal_.add({.kind = Event::at_stage, .clip = event.clip, .rank = rank, .stage = std::string(to_string(stage))});
    event.kind = Event::done;
    event.stage.clear();
    event.file = event.clip + ".mp4";
    event.seconds = {{"text", 0.25}, {"high", 71.5}, {"low", 64.125}, {"decode", 9.5}, {"write", 0.5}};
    journal_.add(event);
  }

 private:
  Journal& journal_;
  const std::vector<Job>& jobs_;
  const std::vector<std::string>& prints_;
};

/// Runs the whole list: every group asks, renders what it is given, reports it and asks again.
void render_all(const std::vector<Job>& jobs, NullWorker& worker) {
  const std::vector<Role> roles(groups, Role::resident);
  Dispatch dispatch(jobs, roles, [](const Job&, Stage) { return 1.0; });
  for (int group = 0; group < groups; ++group) dispatch.ask(group);
  for (double now = 0; !dispatch.over(); ++now) {
    for (const Order& order : dispatch.orders(now)) {
      const auto* const assignment = std::get_if<Assignment>(&order.what);
      if (!assignment) continue;
      worker.render(assignment->clip, order.group);
      dispatch.done(order.group, assignment->clip, {});
      dispatch.ask(order.group);
    }
  }
}

double peak_gigabytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1e6;
}

TEST(ManyClips, CostRankZeroMuchLessThanAMillisecondEachAndAReaderAFewSeconds) {
  const test::TempFolder folder;
  make_folder(folder / ".wanfarm");
  const std::vector<Job> jobs = many_jobs();
  const std::vector<std::string> prints = fingerprints();

  const Stopwatch rendering;
  {
    Journal journal(folder.path());
    journal.add({.kind = Event::began, .rank = groups, .text = "run"});
    write_clip_list(folder.path(), jobs, prints);
    NullWorker worker(journal, jobs, prints);
    render_all(jobs, worker);
  }
  const double milliseconds = rendering.seconds() * 1000 / clips, peak_of_rank_0 = peak_gigabytes();

  const Stopwatch restarting;
  EXPECT_EQ(Journal(folder.path()).epoch(), 2);
  const double restart = restarting.seconds();

  const Stopwatch reading;
  const RunHistory history = read_history(folder.path());
  const double read = reading.seconds();

  std::cout << clips << " clips on " << groups << " groups: " << milliseconds << " ms a clip, journal of "
            << static_cast<double>(std::filesystem::file_size(folder / ".wanfarm/journal.jsonl")) / 1e6 << " MB, peak "
            << peak_of_rank_0 << " GB; opened again in " << restart << " s; read in " << read << " s, peak "
            << peak_gigabytes() << " GB\n";
  EXPECT_LT(milliseconds, 1);
  EXPECT_LT(restart, 5);
  EXPECT_LT(read, 5);
  ASSERT_EQ(history.clips.size(), clips);
  for (const ClipHistory& clip : history.clips) {
    ASSERT_EQ(clip.state, ClipState::done) << clip.clip.job.name;
    ASSERT_EQ(clip.events.size(), 7u) << clip.clip.job.name;
  }
}

}  // namespace
}  // namespace wf
