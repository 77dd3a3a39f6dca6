#include "launcher/submit/follow.hpp"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <iostream>
#include <thread>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/signals.hpp"
#include "launcher/status/figures.hpp"
#include "launcher/status/redraw.hpp"
#include "launcher/status/status_text.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

/// The histories of the folder's run, once there is one that began after the job was submitted.
class FollowedRun {
 public:
  explicit FollowedRun(const Followed& followed) : followed_(followed) {}

  /// Null as long as the job's run has not begun.
  const RunHistory* history() {
    try {
      watch_ ? watch_->update() : void(watch_.emplace(followed_.output));
    } catch (const Error&) {  // nothing was recorded in the folder yet
      return nullptr;
    }
    const RunHistory& history = watch_->history();
    return history.last_event >= followed_.submitted ? &history : nullptr;
  }

 private:
  const Followed& followed_;
  std::optional<RunWatch> watch_;
};

/// What must change for a new text to be worth a reader's time: the state, and the share that is done in whole percent.
std::string gist_of(const RunHistory& history, double now) {
  const ClipCounts counts = count_clips(history);
  return fmt::format("{} {} {} {:.0f}", history.journal.last_epoch, state_of(history, now),
                     fmt::join(counts.by_state, " "), 100 * outlook_of(history, now).share);
}

void show_job(const Followed& followed, const JobState& job, FollowedRun& run, Redraw& screen) {
  const double now = unix_time();
  const SlurmView view{followed.job, job};
  const RunHistory* const history = job.waits() ? nullptr : run.history();
  if (history)
    return screen.show(status_text(*history, followed.shown, now, display_of_stdout(), view), gist_of(*history, now));
  const std::string text = slurm_line(view, now) + "\n";
  screen.show(text, text);
}

/// False when the user wants no more.
bool wait_five_seconds() {
  for (int i = 0; i < 50 && !stop_requested(); ++i) std::this_thread::sleep_for(100ms);
  return !stop_requested();
}

int end_of(const Followed& followed, const std::optional<JobState>& job, FollowedRun& run, Redraw& screen) {
  const RunHistory* const history = run.history();
  const double now = unix_time();
  if (history) screen.show(status_text(*history, followed.shown, now, display_of_stdout()), gist_of(*history, now));
  const std::string state = job ? job->state : "no longer known to Slurm";
  const int of_job = job ? exit_code_of(*job) : 1;
  const int code = history && history->exit_code ? *history->exit_code : of_job;
  const std::string meaning = history && history->exit_code ? meaning_of_end(*history) : meaning_of_exit_code(code);
  std::cout << fmt::format("job {}: {}, exit code {} ({})\n", followed.job, state, code, meaning);
  return code;
}

}  // namespace

int follow(const Followed& followed, const std::function<std::optional<JobState>(const std::string&)>& ask) {
  constexpr int most_silences = 12;  // a controller that is started again answers within a minute
  install_stop_signals();
  FollowedRun run(followed);
  Redraw screen;
  for (int silences = 0;;) {
    const std::optional<JobState> job = ask(followed.job);
    silences = job ? 0 : silences + 1;
    const RunHistory* const history = job ? nullptr : run.history();
    const bool has_ended = job ? job->has_ended() : (history && history->exit_code) || silences > most_silences;
    if (has_ended) return end_of(followed, job, run, screen);
    if (job) show_job(followed, *job, run, screen);
    if (!wait_five_seconds()) break;
  }
  std::cout << fmt::format("job {} goes on; wanfarm status {} shows it\n", followed.job, followed.shown);
  return 130;
}

}  // namespace wf
