// launcher/display.hpp: how far a run is: a bar on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "jobs/job.hpp"
#include "launcher/farm/letters.hpp"

namespace wf {

/// Where a run stands, as the bar and the lines say it.
struct Standing {
  std::size_t ended = 0, clips = 0;  ///< clips done, failed or found finished; all
  std::vector<Activity> at_work;     ///< one for each clip
  double share = 0;                  ///< of the whole run's work that is done, 0..1
  double eta_seconds = -1;           ///< negative: not known yet
};

/// "[#####-----] 3/6 0003-a-red-kite-s42 high 12/40, 4:12 left" when one clip is at work, else
/// "[#####-----] 3/6 done, 4 at work, 4:12 left"; at most `width` columns.
std::string bar_line(const Standing& standing, std::size_t width);
/// "rank 003 0003-a-red-kite-s42 high 12/40", at most `width` columns.
std::string rank_line(std::size_t rank, const Activity& activity, std::size_t width);
/// "4:12", "1:04:12".
std::string duration_text(double seconds);

/// Shows one run's standing on stderr. Log lines, of any thread, clear the bar first, so they never mix.
class Display {
 public:
  /// bar: redraw in place (a terminal); otherwise a log line a minute. rank_lines: so many ranks get a line each.
  Display(const std::vector<Job>& jobs, bool bar, int rank_lines);
  ~Display();
  Display(const Display&) = delete;
  Display& operator=(const Display&) = delete;

  void skip(std::size_t job);                        ///< found finished: counts as no work
  void at_work(const std::vector<Activity>& ranks);  ///< cheap: draws at most 10 times a second
  void end(std::size_t job);                         ///< done, or failed for good
  void clear();                                      ///< takes the bar off the screen

 private:
  using Clock = std::chrono::steady_clock;
  Standing standing(const std::vector<Activity>& ranks) const;
  void draw(const Standing& standing, const std::vector<Activity>& ranks);
  void log(const Standing& standing, const std::vector<Activity>& ranks) const;

  std::map<std::string, double> work_;  ///< of each clip, by name
  const std::vector<Job>& jobs_;
  bool bar_;
  std::size_t rank_lines_;
  double work_done_ = 0, work_total_ = 0;
  std::size_t ended_ = 0;
  Clock::time_point start_ = Clock::now(), shown_ = start_;
  std::mutex screen_;
  bool drawn_ = false;
};

}  // namespace wf
