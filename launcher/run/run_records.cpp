#include "launcher/run/run_records.hpp"

#include <chrono>
#include <iostream>
#include <unordered_set>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/shared_disk.hpp"
#include "base/shell.hpp"
#include "cluster/launch/start_ranks.hpp"
#include "cluster/launch/terminal.hpp"
#include "jobs/output/finished.hpp"

namespace wf {
namespace {

/// What the user typed for this flag or argument; "" if nothing.
std::string requested(const RunOptions& options, const std::string& flag) {
  const auto found = options.request.find(flag);
  return found == options.request.end() ? "" : found->second;
}

/// What renders one clip of the run, but for its name, which follows.
std::string command_of(const RunOptions& options) {
  if (const std::string prompt = requested(options, "--prompt"); !prompt.empty())
    return shell_command({"wanfarm", "generate", "--prompt", prompt, "--save_file"});
  if (const std::string folder = requested(options, "RUN"); !folder.empty())
    return shell_command({"wanfarm", "finish", folder, "--only"});
  return shell_command({"wanfarm", "render", requested(options, "LIST"), "--only"});
}

ClipResult::Status status_of(RunObserver::Ended how) {
  switch (how) {
    case RunObserver::Ended::failed:
      return ClipResult::failed;
    case RunObserver::Ended::quarantined:
      return ClipResult::quarantined;
    case RunObserver::Ended::cancelled:
      return ClipResult::cancelled;
  }
  return ClipResult::failed;
}

/// Which results of earlier runs stay: of clips that are not this run's. Those that are finished stay as long as their
/// videos do, whichever list they are of; the others as long as the folder's list has their clips.
std::function<bool(const ClipResult&)> is_of_others(const RunRecords::Setting& setting) {
  std::unordered_set<std::string_view> own;
  for (const Job& job : setting.jobs) own.insert(job.name);
  for (const auto& [clip, sidecar] : setting.finished) own.insert(sidecar.job.name);
  const bool is_own_list = brings_own_list(setting.options, setting.folder.output());
  // The folder is listed where results are there, which in a new folder they are not.
  return [own = std::move(own), is_own_list, &output = setting.folder.output(),
          files = std::optional<std::unordered_set<std::string>>()](const ClipResult& result) mutable {
    if (own.contains(result.job.name)) return false;
    if (result.video_file.empty()) return !is_own_list;
    if (!files) files = names_in(output);
    std::error_code error;
    return files->contains(result.video_file) || std::filesystem::exists(output / result.video_file, error);
  };
}

}  // namespace

bool renders_whole_list(const RunOptions& options) {
  for (const char* const part : {"RUN", "--prompt", "--only"})
    if (!requested(options, part).empty()) return false;
  const std::string limit = requested(options, "--limit");
  return limit.empty() || limit == "0";
}

bool brings_own_list(const RunOptions& options, const Path& output) {
  return renders_whole_list(options) && !is_failed_list(requested(options, "LIST"), output);
}

RunRecords::RunRecords(const Setting& setting, const Predicted& predicted)
    : setting_(setting),
      command_(command_of(setting.options)),
      tables_(setting.folder, is_of_others(setting)),
      failed_(setting.folder, setting.model, requested(setting.options, "LIST")),
      metrics_(setting.folder, setting.nodes),
      progress_(setting.jobs, predicted, static_cast<std::size_t>(setting.groups.count()),
                terminal_of_stderr() && !setting.options.quiet,
                setting.options.verbose ? static_cast<int>(setting.nodes.size()) : 0, setting.branches) {
  if (!setting.options.joblog.empty()) joblog_.emplace(setting.options.joblog);
  for (const auto& [original, copy] : setting.copies) progress_.no_work(copy);
  write_summary(setting.folder, summary(0), {}, tables_.kept_bytes());
}

/// A run that ends with an exception still lists what had failed until then.
RunRecords::~RunRecords() {
  try {
    failed_.write_if_due(std::numeric_limits<double>::infinity());
  } catch (const std::exception& error) {
    spdlog::warn("{}", error.what());
  }
}

void RunRecords::finished_before(const std::unordered_map<std::string, LastAttempt>& attempts) {
  const std::map<std::size_t, Sidecar>& clips = setting_.finished;
  for (const auto& [clip, sidecar] : clips) {
    progress_.no_work(clip);
    const auto known = attempts.find(sidecar.fingerprint);
    const LastAttempt last = known == attempts.end() ? LastAttempt() : known->second;
    end(clip, finished_result(ClipResult::skipped, sidecar, last.number, last.rank));
  }
  if (!clips.empty()) spdlog::info("{} of {} clips are finished already", clips.size(), setting_.jobs.size());
}

// ---- Attempts

void RunRecords::assigned(std::size_t clip, int leader, Stage /*first*/, Stage /*last*/) {
  attempts_.assigned(clip, leader, unix_time());
}

void RunRecords::handed_over(std::size_t clip, const SecondsByStage& /*seconds*/) { attempts_.handed_over(clip); }

void RunRecords::interrupted(std::size_t clip, Stage /*stage*/, int code) { log_attempt(attempts_.end(clip), code); }

void RunRecords::log_attempt(const Attempt& attempt, int exit_code, std::uint64_t bytes) {
  if (!joblog_ || attempt.number == 0) return;
  joblog_->add({.seq = attempt.clip + 1,
                .host = setting_.nodes.at(static_cast<std::size_t>(attempt.rank)),
                .began = attempt.began,
                .seconds = unix_time() - attempt.began,
                .received = bytes,
                .exit_code = exit_code,
                .command = command_ + " " + shell_command({setting_.jobs[attempt.clip].name})});
}

void RunRecords::lost(int rank, const std::string& name, const std::string& why) {
  spdlog::error("{} {}. The run goes on without it; other ranks take the clips that it was at", name, why);
  metrics_.lost(rank);
  for (const Attempt& attempt : attempts_.lost(setting_.groups.leader(setting_.groups.of(rank)))) {
    metrics_.attempt_failed(setting_.jobs[attempt.clip].name, "lost");
    log_attempt(attempt, 1);
  }
}

// ---- Ends of clips

void RunRecords::done(std::size_t clip, const std::string& json) {
  const Sidecar sidecar = sidecar_from(json);
  log_attempt(attempts_.end(clip), 0, sidecar.video_bytes);
  metrics_.done(sidecar);
  record_done(clip, sidecar);
  spdlog::info("{} in {:.1f} s ({} of {})", sidecar.video_file, total_seconds(sidecar.seconds),
               count(ClipResult::done) + count(ClipResult::skipped), setting_.jobs.size());
  for (auto [copy, end] = setting_.copies.equal_range(clip); copy != end; ++copy) {
    record_done(copy->second, copy_clip(setting_.folder, sidecar, setting_.jobs[copy->second]));
    spdlog::info("{} is a copy of it: the same clip is twice in the list", setting_.jobs[copy->second].name);
  }
}

void RunRecords::record_done(std::size_t clip, const Sidecar& sidecar) {
  const Attempt attempt = attempts_.last(clip);
  end(clip, finished_result(ClipResult::done, sidecar, attempt.number, attempt.rank));
  note_progress();
}

void RunRecords::failed(std::size_t clip, const Error& error, bool tried_again) {
  const Attempt attempt = attempts_.end(clip);
  log_attempt(attempt, exit_code(error.kind()));
  metrics_.attempt_failed(setting_.jobs[clip].name, to_string(error.kind()));
  if (tried_again) return spdlog::warn("{}; it will be tried again", error.what());
  spdlog::error("{}", error.what());
  end_with_copies(clip, failed_result(ClipResult::failed, setting_.jobs[clip], error, attempt.number, attempt.rank));
}

void RunRecords::quarantined(std::size_t clip, const Error& error) {
  const Attempt attempt = attempts_.last(clip);
  spdlog::error("{}: {}", setting_.jobs[clip].name, error.what());
  end_with_copies(clip,
                  failed_result(ClipResult::quarantined, setting_.jobs[clip], error, attempt.number, attempt.rank));
}

void RunRecords::cancelled(std::size_t clip) {
  attempts_.end(clip);
  const Attempt attempt = attempts_.last(clip);
  spdlog::info("{} is cancelled", setting_.jobs[clip].name);
  end_with_copies(
      clip,
      {.status = ClipResult::cancelled, .job = setting_.jobs[clip], .attempts = attempt.number, .rank = attempt.rank});
}

void RunRecords::not_cancelled(std::size_t clip) {
  spdlog::warn("{} was done before it could be cancelled", setting_.jobs[clip].name);
}

/// A clip that is not rendered cannot be copied.
void RunRecords::end_with_copies(std::size_t clip, ClipResult result) {
  end(clip, result);
  for (auto [copy, last] = setting_.copies.equal_range(clip); copy != last; ++copy) {
    result.job = setting_.jobs[copy->second];
    end(copy->second, result);
  }
}

void RunRecords::end(std::size_t clip, const ClipResult& result) {
  progress_.end(clip);
  ++ended_[static_cast<std::size_t>(result.status)];
  const bool is_finished = result.status == ClipResult::done || result.status == ClipResult::skipped;
  if (!is_finished) failed_.add(clip, result);
  tables_.add(result);
  if (setting_.options.json) std::cout << json_line(result) << std::endl;
}

void RunRecords::retried(std::size_t clip, Ended how) {
  std::vector<std::size_t> clips{clip};
  for (auto [copy, last] = setting_.copies.equal_range(clip); copy != last; ++copy) clips.push_back(copy->second);
  for (const std::size_t again : clips) {
    --ended_[static_cast<std::size_t>(status_of(how))];
    failed_.remove(again);
    progress_.again(again);
  }
}

// ---- The run

void RunRecords::at_work(const std::vector<Activity>& ranks) {
  const double now = steady_time();
  progress_.at_work(ranks);
  metrics_.at_work(ranks);
  failed_.write_if_due(now);
  if (metrics_.is_due(now)) metrics_.write(clips_by_state(), progress_.standing(ranks).eta_seconds, now);
}

std::map<std::string, std::size_t> RunRecords::clips_by_state() const {
  const std::size_t left = summary(0).left, running = std::min(left, attempts_.under_way());
  return {{"waiting", left - running},
          {"running", running},
          {"done", count(ClipResult::done)},
          {"found", count(ClipResult::skipped)},
          {"failed", count(ClipResult::failed)},
          {"quarantined", count(ClipResult::quarantined)},
          {"cancelled", count(ClipResult::cancelled)}};
}

Summary RunRecords::summary(double seconds) const {
  Summary summary{.done = count(ClipResult::done),
                  .skipped = count(ClipResult::skipped),
                  .failed = count(ClipResult::failed),
                  .quarantined = count(ClipResult::quarantined),
                  .cancelled = count(ClipResult::cancelled),
                  .seconds = seconds};
  summary.left = setting_.jobs.size();
  for (const std::size_t clips : ended_) summary.left -= clips;
  return summary;
}

void RunRecords::finish(const Summary& summary, int exit_code) {
  metrics_.finish(clips_by_state(), exit_code);
  failed_.finish(summary.left == 0 && renders_whole_list(setting_.options));
  write_summary(setting_.folder, summary, exit_code, tables_.kept_bytes());
}

}  // namespace wf
