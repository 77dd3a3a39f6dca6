#include "launcher/run/earlier_starts.hpp"

#include "jobs/record/journal.hpp"
#include "launcher/run/results.hpp"

namespace wf {
namespace {

/// Follows the events of one command and finds out who was at work on what when ranks were lost.
class LossCount {
 public:
  explicit LossCount(EarlierStarts& starts) : starts_(starts) {}

  void see(const Event& event) {
    switch (event.kind) {
      case Event::began:
        return end_of_epoch();
      case Event::assigned:
        at_work_[event.fingerprint] = event.rank;
        return;
      case Event::lost:
        return lose(event.rank);
      case Event::ended:
        return at_work_.clear();
      case Event::handed_over:
      case Event::done:
      case Event::failed:
      case Event::interrupted:
        at_work_.erase(event.fingerprint);
        return;
      default:
        return;
    }
  }
  /// The last epoch, or the one before a `began`, ended without a word: whatever was at work may be the cause.
  void end_of_epoch() {
    for (const auto& [clip, rank] : at_work_) starts_.losses[clip] += 1.0 / static_cast<double>(at_work_.size());
    at_work_.clear();
  }

 private:
  void lose(int rank) {
    for (auto clip = at_work_.begin(); clip != at_work_.end();) {
      if (clip->second != rank) {
        ++clip;
        continue;
      }
      starts_.losses[clip->first] += 1;
      clips_of_[rank].insert(clip->first);
      clip = at_work_.erase(clip);
    }
    if (clips_of_[rank].size() > 1) starts_.unfit_ranks.insert(rank);
  }

  EarlierStarts& starts_;
  std::map<std::string, int> at_work_;             ///< by fingerprint: the leader of its group
  std::map<int, std::set<std::string>> clips_of_;  ///< clips with which a rank was lost
};

/// What was decided in a start of this command for the run as a whole.
void take_up(EarlierStarts& starts, const Event& event) {
  switch (event.kind) {
    case Event::began:
      return void(starts.is_restart = true);
    case Event::done:
      return void(starts.done.insert(event.fingerprint));
    case Event::paused:
      return void(starts.paused = true);
    case Event::resumed:
      return void(starts.paused = false);
    case Event::draining:
      return void(starts.draining = event.text);
    default:
      return;
  }
}

}  // namespace

EarlierStarts earlier_starts(const std::vector<Event>& events, const std::string& id) {
  EarlierStarts starts;
  LossCount losses(starts);
  bool is_own = false;
  for (const Event& event : events) {
    if (event.kind == Event::began) is_own = !id.empty() && event.text == id;
    if (is_own) losses.see(event);
    if (is_own) take_up(starts, event);
    const bool is_news = event.kind == Event::assigned && !starts.finished.contains(event.fingerprint);
    if (is_news || event.kind == Event::done) starts.attempts[event.fingerprint] = {event.attempt, event.rank};
    if (event.kind == Event::done || event.kind == Event::found) starts.finished.insert(event.fingerprint);
    if (event.kind == Event::cancelled) starts.cancelled.insert(event.fingerprint);
    if (event.kind == Event::retried || event.kind == Event::done) starts.cancelled.erase(event.fingerprint);
  }
  losses.end_of_epoch();
  return starts;
}

EarlierStarts read_earlier_starts(const Path& output) {
  const JournalContent recorded = read_journal(output);
  EarlierStarts starts = earlier_starts(recorded.events, run_id());
  starts.last_epoch = recorded.last_epoch;
  return starts;
}

}  // namespace wf
