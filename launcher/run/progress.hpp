// launcher/run/progress.hpp: how far a run is: a bar that is redrawn on a terminal, log lines elsewhere.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "jobs/job.hpp"
#include "jobs/schedule/dispatch.hpp"
#include "launcher/run/messages.hpp"

namespace wf {

/// Where a run stands.
struct Standing {
  std::size_t ended = 0, clips = 0;  ///< clips that are done, failed or were found finished; all clips
  std::vector<Activity> at_work;     ///< one for each clip that is being computed
  double share = 0;                  ///< of the run's predicted seconds that are done, 0..1
  double eta_seconds = -1;           ///< until the end; negative: not known yet
};

/// "[#####-----] 3/6 0003-a-red-kite-s42 high 12/40, 4:12 left" when one clip is at work, else
/// "[#####-----] 3/6 done, 4 at work, 4:12 left"; at most `width` bytes.
std::string bar_line(const Standing& standing, std::size_t width);
/// "rank 003 0003-a-red-kite-s42 high 12/40", at most `width` bytes.
std::string rank_line(std::size_t rank, const Activity& activity, std::size_t width);

/// What a run has to do, in the planner's seconds: the same prediction that orders the queue and balances the pools.
class PredictedWork {
 public:
  PredictedWork(const std::vector<Job>& jobs, const Predicted& predicted);
  double whole(std::size_t job) const;  ///< seconds of all stages of a clip
  /// Seconds of a clip that are done when a rank has come this far with it. Both experts' steps count as equally long.
  double done(std::size_t job, const Activity& activity) const;

 private:
  std::vector<std::size_t> shapes_;      ///< of each job the first job of its shape
  std::vector<SecondsByStage> seconds_;  ///< by the first job of a shape
};

/// Shows the standing of one run on stderr. Log lines of any thread clear the bar first, so the two never mix.
class ProgressDisplay {
 public:
  /// bar: redraw a bar in place, which takes a terminal; else a log line is written once a minute. rank_lines: that
  /// many ranks get a line each. `jobs` outlives the display.
  ProgressDisplay(const std::vector<Job>& jobs, const Predicted& predicted, bool bar, int rank_lines);
  ~ProgressDisplay();
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  void skip(std::size_t job);  ///< a clip that was found finished counts as no work
  void end(std::size_t job);   ///< a clip is done, or failed for good
  /// Draws what the ranks are doing, at most ten times a second.
  void at_work(const std::vector<Activity>& ranks);
  /// Takes the bar off the screen. For any thread.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  Standing standing(const std::vector<Activity>& ranks) const;
  void draw(const Standing& standing, const std::vector<Activity>& ranks);
  void log(const Standing& standing, const std::vector<Activity>& ranks) const;

  const std::vector<Job>& jobs_;
  PredictedWork work_;
  std::map<std::string, std::size_t> job_of_name_;
  bool bar_;
  std::size_t rank_lines_;
  double work_done_ = 0, work_total_ = 0;  ///< predicted seconds
  std::size_t ended_ = 0;
  Clock::time_point start_ = Clock::now(), shown_ = start_;
  std::mutex screen_;  ///< guards the next member and what is on the screen
  bool drawn_ = false;
};

}  // namespace wf
