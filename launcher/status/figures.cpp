#include "launcher/status/figures.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>

namespace wf {
namespace {

ClipCounts counts_of(const LiveStatus& status) {
  ClipCounts counts{.total = status.clips, .found = status.found};
  const std::size_t ended = status.done + status.found + status.failed + status.quarantined + status.cancelled;
  std::size_t running = 0;
  for (const LiveStatus::Rank& rank : status.ranks) running += !rank.clip.empty();
  const std::size_t left = status.clips - std::min(status.clips, ended);
  running = std::min(running, left);
  counts.by_state = {left - running,     running,         status.done + status.found, status.failed,
                     status.quarantined, status.cancelled};
  return counts;
}

/// The time that the clips of this run took so far, or took.
double seconds_at_work(const RunHistory& history) {
  return history.info ? std::max(history.last_event - history.info->started, 0.0) : 0;
}

}  // namespace

const LiveStatus* current_status(const RunHistory& history) {
  return history.live && history.live->epoch == history.journal.last_epoch ? &*history.live : nullptr;
}

ClipCounts count_clips(const RunHistory& history) {
  const LiveStatus* const status = current_status(history);
  if (history.clips.empty() && status) return counts_of(*status);
  ClipCounts counts{.total = history.clips.size()};
  for (const ClipHistory& clip : history.clips) {
    ++counts.by_state[static_cast<std::size_t>(clip.state)];
    counts.found += clip.state == ClipState::done && clip.found;
  }
  return counts;
}

std::vector<FailureKind> failures_by_kind(const RunHistory& history) {
  std::map<std::string, std::vector<std::size_t>> by_kind;
  for (std::size_t i = 0; i < history.clips.size(); ++i) {
    const ClipHistory& clip = history.clips[i];
    if (clip.state == ClipState::failed) by_kind[clip.error_kind].push_back(i);
    if (clip.state == ClipState::quarantined) by_kind["quarantined"].push_back(i);
  }
  std::vector<FailureKind> failures;
  for (auto& [kind, clips] : by_kind) failures.push_back({kind, std::move(clips)});
  std::ranges::stable_sort(failures, std::greater<>{}, [](const FailureKind& kind) { return kind.clips.size(); });
  return failures;
}

Outlook outlook_of(const RunHistory& history, double now) {
  const ClipCounts counts = count_clips(history);
  const LiveStatus* const status = current_status(history);
  const std::size_t ended = counts.total - counts.of(ClipState::waiting) - counts.of(ClipState::running);
  const std::size_t rendered = counts.of(ClipState::done) - counts.found;
  Outlook outlook{.share = counts.total > 0 ? static_cast<double>(ended) / static_cast<double>(counts.total) : 0};
  if (const double seconds = seconds_at_work(history); seconds > 0)
    outlook.clips_per_hour = static_cast<double>(rendered) * 3600 / seconds;
  if (!status) return outlook;
  outlook.clips_per_hour = status->clips_per_hour;
  const bool of_a_part = history.exit_code && status->clips < counts.total;  // whose share says nothing of the rest
  if (status->share > 0 && ended < counts.total && !of_a_part) outlook.share = status->share;
  if (liveness(history, now) != Liveness::alive) return outlook;
  outlook.seconds_left = status->eta_seconds;
  outlook.least = status->eta_least;
  outlook.most = status->eta_most;
  return outlook;
}

double silence_of(const RunHistory& history, double now) {
  const LiveStatus* const status = current_status(history);
  return std::max(now - std::max(history.last_event, status ? status->time : 0), 0.0);
}

std::string state_of(const RunHistory& history, double now) {
  const Liveness life = liveness(history, now);
  if (life == Liveness::ended) return "ended";
  if (life == Liveness::silent) return "silent";
  const LiveStatus* const status = current_status(history);
  return status ? status->state : "loading";
}

std::string meaning_of_end(const RunHistory& history) {
  const ClipCounts counts = count_clips(history);
  const std::size_t done = counts.of(ClipState::done);
  if (*history.exit_code == 0 && done < counts.total) return fmt::format("{} of {} clips are done", done, counts.total);
  return meaning_of_exit_code(*history.exit_code);
}

std::string meaning_of_exit_code(int code) {
  switch (code) {
    case 0:
      return "all clips are done";
    case 1:
      return "clips failed, or ranks were lost";
    case 2:
      return "its input was wrong";
    case 3:
      return "the model, a GPU or a node cannot be used";
    case 4:
      return "held, since too many clips failed";
    case 5:
      return "its disk is full or failing";
    case 75:
      return "stopped with work left";
    default:
      return "cut short";
  }
}

}  // namespace wf
