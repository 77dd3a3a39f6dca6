// launcher/run/progress.hpp: how far a run is: a bar that is redrawn on a terminal, log lines elsewhere.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "launcher/run/remaining_time.hpp"

namespace wf {

/// Where a run stands.
struct Standing {
  std::size_t ended = 0, clips = 0;      ///< clips that are done, failed or were found finished; all clips
  std::vector<Activity> at_work;         ///< one for each clip that is being computed
  double share = 0;                      ///< of the run's predicted seconds that are done, 0..1
  double eta_seconds = -1;               ///< until the end; negative: nothing was predicted
  double eta_least = -1, eta_most = -1;  ///< what it may become, judged by how steady the pace was so far
};

/// "[#####-----] 3/6 0003-a-red-kite-s42 high 12/40, 4:12 left" when one clip is at work, else
/// "[#####-----] 3/6 done, 4 at work, 4:12 left"; at most `width` bytes, for which a clip's name is shortened first.
std::string bar_line(const Standing& standing, std::size_t width);
/// "rank 003 0003-a-red-kite-s42 high 12/40", at most `width` bytes.
std::string rank_line(std::size_t rank, const Activity& activity, std::size_t width);

/// Shows the standing of one run on stderr. A log line that stderr shows clears the bar first, whichever thread logs
/// it, so the two never mix.
class ProgressDisplay {
 public:
  /// groups: how many clips are computed at the same time. bar: redraw a bar in place, which takes a terminal; else a
  /// log line is written once a minute. rank_lines: that many ranks get a line each. branches: as of PredictedWork.
  ProgressDisplay(const std::vector<Job>& jobs, const Predicted& predicted, std::size_t groups, bool bar,
                  int rank_lines, int branches = 1);
  ~ProgressDisplay();
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  void no_work(std::size_t job) { time_.no_work(job); }        ///< a clip that need not be rendered
  void end(std::size_t job) { time_.end(job); }                ///< a clip is done, found finished, or failed for good
  void again(std::size_t job) { time_.again(job); }            ///< a clip that had ended is to be rendered after all
  void groups_left(int groups) { time_.groups_left(groups); }  ///< so many clips are computed at the same time
  /// Draws what the ranks are doing, at most ten times a second. To be called after each change.
  void at_work(const std::vector<Activity>& ranks);
  /// While the ranks are doing this.
  Standing standing(const std::vector<Activity>& ranks) const { return standing(ranks, seconds(Clock::now())); }
  /// Takes the bar off the screen. For any thread.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  double seconds(Clock::time_point now) const { return std::chrono::duration<double>(now - start_).count(); }
  Standing standing(const std::vector<Activity>& ranks, double now) const;
  void draw(const Standing& standing, const std::vector<Activity>& ranks);
  void log(const Standing& standing, const std::vector<Activity>& ranks) const;

  std::size_t clips_;
  RemainingTime time_;
  bool bar_;
  std::size_t rank_lines_;
  Clock::time_point start_ = Clock::now(), shown_ = start_;
  std::mutex screen_;  ///< guards the next member and what is on the screen
  bool drawn_ = false;
};

}  // namespace wf
