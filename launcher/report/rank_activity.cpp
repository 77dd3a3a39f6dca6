#include "launcher/report/rank_activity.hpp"

#include <algorithm>
#include <set>

#include "jobs/schedule/stage.hpp"

namespace wf {
namespace {

const std::string write_stage(to_string(Stage::write));

/// Follows the events and keeps the bars that have begun but not ended.
class Follower {
 public:
  void take(const Event& event) {
    if (event.kind == Event::began) begin_run(event.time);
    if (runs_.empty()) begin_run(event.time);  // the journal's beginning is damaged
    runs_.back().end = std::max(runs_.back().end, event.time);
    switch (event.kind) {
      case Event::at_stage:
        return begin_stage(event);
      case Event::role:
        end_bars(event.time, [&](const Bar& bar) { return computes(bar, event.rank); });
        return begin_bar(event.rank, "load", "", event.time);
      case Event::handed_over:
      case Event::done:
      case Event::failed:
      case Event::interrupted:
      case Event::cancelled:
      case Event::quarantined:
        return end_clip(event);
      case Event::lost:
        losses_.push_back({event.rank, event.time, event.text});
        return end_bars(event.time, [&](const Bar& bar) { return bar.rank == event.rank; });
      default:
        return;
    }
  }

  RankActivity finish(double now) {
    if (!runs_.empty()) {
      runs_.back().end = std::max(runs_.back().end, now);
      end_all();
    }
    std::set<int> ranks;
    for (const Bar& bar : bars_) ranks.insert(bar.rank);
    for (const Loss& loss : losses_) ranks.insert(loss.rank);
    return {{ranks.begin(), ranks.end()}, std::move(bars_), std::move(losses_), std::move(runs_)};
  }

 private:
  static bool computes(const Bar& bar, int rank) { return bar.rank == rank && bar.stage != write_stage; }

  void begin_run(double time) {
    if (!runs_.empty()) end_all();
    runs_.push_back({time, time});
    known_.clear();
  }

  /// The computing thread leaves what it did. Only `write` is the work of another thread, and may be reported when the
  /// computing thread is at its next clip.
  void begin_stage(const Event& event) {
    const bool writes = event.stage == write_stage;
    const auto is_this = [&](const Bar& bar) {
      return bar.rank == event.rank && bar.stage == event.stage && bar.clip == event.clip;
    };
    if (std::ranges::any_of(open_, is_this)) return;
    end_bars(event.time,
             [&](const Bar& bar) { return computes(bar, event.rank) && (!writes || bar.clip == event.clip); });
    begin_bar(event.rank, event.stage, event.clip, event.time);
  }

  void begin_bar(int rank, const std::string& stage, const std::string& clip, double time) {
    open_.push_back({rank, stage, clip, time, time});
    if (!clip.empty()) known_.insert(clip);
  }

  template <class Which>
  void end_bars(double time, Which&& which) {
    const auto ended = std::stable_partition(open_.begin(), open_.end(), [&](const Bar& bar) { return !which(bar); });
    for (auto bar = ended; bar != open_.end(); ++bar) {
      bar->end = time;
      if (bar->end > bar->begin) bars_.push_back(*bar);
    }
    open_.erase(ended, open_.end());
  }

  void end_all() {
    end_bars(runs_.back().end, [](const Bar&) { return true; });
  }

  /// The journal does not say when a clip's file begins to be completed, only how long that took.
  void end_clip(const Event& event) {
    if (!known_.erase(event.clip)) return lay_out(event);
    const auto is_its = [&](const Bar& bar) {
      return bar.clip == event.clip && (event.rank < 0 || bar.rank == event.rank);
    };
    const auto is_written = [&](const Bar& bar) { return is_its(bar) && bar.stage == write_stage; };
    const auto written = event.seconds.find(write_stage);
    const bool untold = written != event.seconds.end() && std::ranges::none_of(open_, is_written);
    const double begin = event.time - (untold ? written->second : 0);
    if (begin < event.time && event.rank >= 0)
      bars_.push_back({event.rank, write_stage, event.clip, begin, event.time});
    end_bars(begin, is_its);
  }

  /// The stages that the event tells the seconds of, one after the other up to its time.
  void lay_out(const Event& event) {
    if (event.rank < 0) return;
    double begin = event.time;
    for (const auto& [stage, seconds] : event.seconds) begin -= seconds;
    for (const Stage stage : all_stages) {
      const auto spent = event.seconds.find(std::string(to_string(stage)));
      if (spent == event.seconds.end() || spent->second <= 0) continue;
      bars_.push_back({event.rank, spent->first, event.clip, begin, begin + spent->second});
      begin += spent->second;
    }
  }

  std::vector<Bar> open_, bars_;
  std::vector<Loss> losses_;
  std::vector<RunTime> runs_;
  std::set<std::string> known_;  ///< Clips of this run with an `at_stage` event since their last end.
};

}  // namespace

RankActivity rank_activity(const std::vector<Event>& events, double now) {
  Follower follower;
  for (const Event& event : events) follower.take(event);
  return follower.finish(now);
}

}  // namespace wf
