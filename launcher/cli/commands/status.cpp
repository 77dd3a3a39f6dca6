// launcher/cli/commands/status.cpp: wanfarm status RUN: shows how a run stands, from any terminal and any node.
#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <thread>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/look_period.hpp"
#include "base/signals.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/status/figures.hpp"
#include "launcher/status/redraw.hpp"
#include "launcher/status/status_json.hpp"
#include "launcher/status/status_text.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

struct StatusOptions {
  std::string run = "renders";
  bool watch = false, json = false, clips = false;
};

std::string dump(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

/// What is shown of a folder: its run, and the job that the run is or will be part of.
class StatusView {
 public:
  explicit StatusView(const StatusOptions& options) : options_(options) {}

  /// Takes in what is new. Throws Error(input) when neither a run nor a job of the folder was recorded.
  void update() {
    try {
      run_ ? run_->update() : void(run_.emplace(options_.run));
    } catch (const Error&) {
      if (run_ || !read_submitted_job(options_.run)) throw;
    }
    look_at_its_job();
  }
  /// Whether it is going to change: a job that is put into the queue again goes on after the run's end.
  bool goes_on() const {
    if (job_ && job_->state) return !job_->state->has_ended();
    return run_ && liveness(run_->history(), unix_time()) != Liveness::ended;
  }
  std::string text(int indent) const {
    const double now = unix_time();
    if (!run_) return options_.json ? dump(waiting_json(), indent) : slurm_line(*job_, now) + "\n";
    const RunHistory& history = run_->history();
    if (options_.json) return dump(status_json(history, now, options_.clips, job_), indent);
    return status_text(history, options_.run, now, display_of_stdout(), job_);
  }
  /// What must change for a new text to be worth a reader's time, where it cannot replace the old one.
  std::string gist() const {
    const std::string of_job = job_ && job_->state ? job_->state->state : "";
    if (!run_) return of_job;
    const ClipCounts counts = count_clips(run_->history());
    return fmt::format("{} {} {} {}", of_job, state_of(run_->history(), unix_time()), counts.total,
                       fmt::join(counts.by_state, " "));
  }

 private:
  nlohmann::ordered_json waiting_json() const {
    return {{"folder", options_.run}, {"state", "submitted"}, {"slurm", slurm_json(*job_)}};
  }

  void look_at_its_job() {
    constexpr double seconds_between = 10;
    const double now = steady_time();
    if (looked_at_ && now - *looked_at_ < seconds_between) return;
    job_ = look_at_job(options_.run, run_ ? &run_->history() : nullptr);
    looked_at_ = now;
  }

  const StatusOptions& options_;
  std::optional<RunWatch> run_;
  std::optional<SlurmView> job_;  ///< Not empty where there is no run.
  std::optional<double> looked_at_;
};

/// False when the user wants no more.
bool wait_for_news() {
  const auto end = std::chrono::steady_clock::now() + look_period;
  while (std::chrono::steady_clock::now() < end && !stop_requested()) std::this_thread::sleep_for(50ms);
  return !stop_requested();
}

/// Shows the run until it has ended.
void watch(const StatusOptions& options) {
  install_stop_signals();
  StatusView view(options);
  Redraw screen;
  std::string gist;
  for (bool goes_on = true; goes_on; goes_on = goes_on && wait_for_news()) {
    view.update();
    goes_on = view.goes_on();
    const std::string now = view.gist();
    if (!options.json)
      screen.show(view.text(-1), now);
    else if (now != gist)
      std::cout << view.text(-1) << std::flush;
    gist = now;
    if (!std::cout) return;  // whoever read it has gone
  }
}

int status(const StatusOptions& options) {
  if (options.watch) return watch(options), 0;
  StatusView view(options);
  view.update();
  std::cout << view.text(1);
  return 0;
}

}  // namespace

Command status_command() {
  const auto options = std::make_shared<StatusOptions>();
  return {.name = "status",
          .summary = "Show how a run stands: its clips, its ranks, when it will end, what has failed",
          .examples =
              "  wanfarm status                       the run in the folder renders\n"
              "  wanfarm status renders --watch       until it ends; Ctrl-C leaves the run alone\n"
              "  wanfarm status renders --json | jq .clips\n",
          .flags = {{.names = "RUN",
                     .value = "FOLDER",
                     .help = "the output folder of a run that is at work or has ended (renders)",
                     .set = into(options->run),
                     .optional = true},
                    {"--watch,-w", "", "show it again every 5 s, until the run has ended", into(options->watch)},
                    {"--json", "", "print one JSON object, with --watch one on each line", into(options->json)},
                    {"--clips", "", "with --json: also every clip, as \"clip_list\"", into(options->clips)}},
          .run = [options] { return status(*options); }};
}

}  // namespace wf
