#include "launcher/run/run_journal.hpp"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <map>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/look_period.hpp"
#include "jobs/output/sidecar.hpp"

namespace wf {
namespace {

constexpr double status_every = look_period.count();  ///< seconds

std::map<std::string, double> by_name(const SecondsByStage& seconds) {
  std::map<std::string, double> named;
  for (const Stage stage : all_stages)
    if (const double spent = seconds[static_cast<std::size_t>(stage)]; spent > 0)
      named[std::string(to_string(stage))] = spent;
  return named;
}

}  // namespace

RunJournal::RunJournal(Setting setting, RunObserver& next)
    : setting_(std::move(setting)),
      next_(next),
      journal_(setting_.output, setting_.last_epoch),
      seen_(static_cast<std::size_t>(setting_.ranks)),
      began_(unix_time()) {
  status_.epoch = journal_.epoch();
  status_.state = "loading";
  status_.clips = setting_.jobs.size();
  status_.ranks.resize(static_cast<std::size_t>(setting_.ranks));
  journal_.add({.kind = Event::began,
                .rank = setting_.ranks,
                .attempt = setting_.job.starts,
                .text = setting_.command_id,
                .job = setting_.job.name});
}

/// An error of the disk is kept until at_work(), where it stops the run: in the middle of a report or an order it would
/// leave the schedule and the groups of two minds.
void RunJournal::note(const Event& event) {
  try {
    journal_.add(event);
  } catch (const std::exception&) {
    if (!error_) error_ = current_error();
  }
}

Event RunJournal::about(Event::Kind kind, std::size_t clip) const {
  const Attempt attempt = attempts_.last(clip);
  return {.kind = kind,
          .clip = setting_.jobs[clip].name,
          .fingerprint = setting_.fingerprints[clip],
          .rank = attempt.rank,
          .attempt = attempt.number};
}

void RunJournal::found(std::size_t clip, bool is_known) {
  ++status_.found;
  if (!is_known) note(about(Event::found, clip));
}

void RunJournal::ended(int exit_code, const std::string& summary) {
  note({.kind = Event::ended, .text = summary, .code = exit_code});
  status_.state = "ended";
  status_.eta_seconds = status_.eta_least = status_.eta_most = -1;
  for (LiveStatus::Rank& rank : status_.ranks) rank = {.lost = rank.lost};
  write_status(unix_time());
  journal_.flush();
}

void RunJournal::lost_for_good(int rank, const std::string& why) {
  try {
    journal_.add({.kind = Event::lost, .rank = rank, .text = why});
  } catch (const std::exception& error) {
    spdlog::error("{}", error.what());  // the run ends anyway
  }
}

// ---- Events

void RunJournal::assigned(std::size_t clip, int leader, Stage first, Stage last) {
  attempts_.assigned(clip, leader, unix_time());
  Event event = about(Event::assigned, clip);
  event.stage = fmt::format("{}-{}", to_string(first), to_string(last));
  note(event);
  next_.assigned(clip, leader, first, last);
}

void RunJournal::handed_over(std::size_t clip, const SecondsByStage& seconds) {
  attempts_.handed_over(clip);
  Event event = about(Event::handed_over, clip);
  event.seconds = by_name(seconds);
  note(event);
  next_.handed_over(clip, seconds);
}

void RunJournal::interrupted(std::size_t clip, Stage stage, int code) {
  attempts_.end(clip);
  Event event = about(Event::interrupted, clip);
  event.stage = to_string(stage);
  event.code = code;
  note(event);
  next_.interrupted(clip, stage, code);
}

void RunJournal::done(std::size_t clip, const std::string& json) {
  const Sidecar sidecar = sidecar_from(json);
  attempts_.end(clip);
  Event event = about(Event::done, clip);
  event.seconds = sidecar.seconds;
  event.file = sidecar.video_file;
  ++status_.done;
  note(event);
  next_.done(clip, json);
}

void RunJournal::failed(std::size_t clip, const Error& error, bool tried_again) {
  attempts_.end(clip);
  Event event = about(Event::failed, clip);
  event.error = to_string(error.kind());
  event.text = error.what();
  event.again = tried_again;
  if (!tried_again) {
    ++status_.failed;
    ++status_.failures[event.error];
  }
  note(event);
  next_.failed(clip, error, tried_again);
}

void RunJournal::quarantined(std::size_t clip, const Error& error) {
  attempts_.end(clip);
  Event event = about(Event::quarantined, clip);
  event.error = to_string(error.kind());
  event.text = error.what();
  ++status_.quarantined;
  note(event);
  next_.quarantined(clip, error);
}

void RunJournal::cancelled(std::size_t clip) {
  ++status_.cancelled;
  note(about(Event::cancelled, clip));
  next_.cancelled(clip);
}

void RunJournal::not_cancelled(std::size_t clip) {
  note(about(Event::not_cancelled, clip));
  next_.not_cancelled(clip);
}

void RunJournal::retried(std::size_t clip, Ended how) {
  std::size_t& count = how == Ended::cancelled ? status_.cancelled
                       : how == Ended::failed  ? status_.failed
                                               : status_.quarantined;
  --count;
  note(about(Event::retried, clip));
  next_.retried(clip, how);
}

void RunJournal::paused(bool is_paused) {
  change_state(is_paused ? "paused" : "running");
  note({.kind = is_paused ? Event::paused : Event::resumed});
  next_.paused(is_paused);
}

/// What people wait for is shown at once.
void RunJournal::change_state(const std::string& state) {
  status_.state = state;
  written_ = 0;
}

void RunJournal::draining(const std::string& why) {
  change_state("draining");
  note({.kind = Event::draining, .text = why});
  next_.draining(why);
}

void RunJournal::role_changed(int leader, Role role) {
  note({.kind = Event::role, .rank = leader, .stage = role == Role::high ? "high" : "low"});
  next_.role_changed(leader, role);
}

void RunJournal::lost(int rank, const std::string& name, const std::string& why) {
  attempts_.lost(rank);
  status_.ranks[static_cast<std::size_t>(rank)] = {.lost = true};
  note({.kind = Event::lost, .rank = rank, .text = why});
  next_.lost(rank, name, why);
}

void RunJournal::at_work(const std::vector<Activity>& ranks) {
  const double now = unix_time();
  note_activities(ranks, now);
  next_.at_work(ranks);
  if (now - written_ >= status_every) write_status(now);
  if (error_) throw *std::exchange(error_, {});
}

void RunJournal::note_activities(const std::vector<Activity>& ranks, double now) {
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    const Activity &activity = ranks[i], &before = seen_[i];
    if (activity == before) continue;
    LiveStatus::Rank& rank = status_.ranks[i];
    const bool same_stage = activity.clip == before.clip && activity.stage == before.stage;
    if (same_stage && activity.step > before.step && before.steps > 1)
      rank.seconds_per_step = (now - rank.since) / static_cast<double>(activity.step - before.step);
    else if (!same_stage)
      rank.seconds_per_step = 0;
    rank.clip = activity.clip;
    rank.stage = activity.clip.empty() ? "" : to_string(activity.stage);
    rank.step = activity.step;
    rank.steps = activity.steps;
    rank.since = now;
    if (status_.state == "loading" && !activity.clip.empty()) change_state("running");
    if (!same_stage && !activity.clip.empty())
      note({.kind = Event::at_stage, .clip = activity.clip, .rank = static_cast<int>(i), .stage = rank.stage});
    seen_[i] = activity;
  }
}

void RunJournal::write_status(double now) {
  written_ = now;
  const Standing standing = setting_.standing(seen_);
  status_.time = now;
  status_.share = standing.share;
  if (status_.state != "ended") {
    status_.eta_seconds = standing.eta_seconds;
    status_.eta_least = standing.eta_least;
    status_.eta_most = standing.eta_most;
  }
  status_.clips_per_hour = status_.done > 0 ? static_cast<double>(status_.done) * 3600 / (now - began_) : 0;
  try {
    write_live_status(setting_.output, status_);
  } catch (const Error& error) {
    if (!std::exchange(warned_, true)) spdlog::warn("{}", error.what());  // nothing is lost but the view of it
  }
}

}  // namespace wf
