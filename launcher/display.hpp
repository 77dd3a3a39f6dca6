// launcher/display.hpp: how far a run is: a bar on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "jobs/job.hpp"
#include "pipeline/stages.hpp"

namespace wf {

/// Where a run stands, as the bar and the lines say it.
struct Standing {
  std::size_t clip = 0, clips = 0;  ///< 1-based number of the clip at work
  std::string name;
  Stage stage = Stage::text;
  std::int64_t step = 0, steps = 1;  ///< within the stage
  double share = 0;                  ///< of the whole run's work that is done, 0..1
  double eta_seconds = -1;           ///< negative: not known yet
};

/// "[#####-----] 3/6 0003-a-red-kite-s42 high 12/40, 4:12 left", at most `width` columns.
std::string bar_line(const Standing& standing, std::size_t width);
/// "4:12", "1:04:12".
std::string duration_text(double seconds);

/// Shows one run's standing on stderr. Log lines clear the bar first, so they never mix.
class Display {
 public:
  /// bar: redraw one line in place (a terminal); otherwise a log line a minute.
  Display(const std::vector<Job>& jobs, bool bar);
  ~Display();
  Display(const Display&) = delete;
  Display& operator=(const Display&) = delete;

  void skip(std::size_t job);  ///< found finished: counts as no work
  void begin(std::size_t job);
  void step(Stage stage, std::int64_t step, std::int64_t steps);  ///< cheap: draws at most 10 times a second
  void end(std::size_t job);                                      ///< done, or failed for good
  void clear();                                                   ///< takes the bar off the screen

 private:
  using Clock = std::chrono::steady_clock;
  void draw();
  double clip_share() const;

  const std::vector<Job>& jobs_;
  bool bar_, drawn_ = false;
  Standing standing_;
  double current_work_ = 0, work_done_ = 0, work_total_ = 0;
  std::size_t ended_ = 0;
  Clock::time_point start_ = Clock::now(), shown_ = start_;
};

/// True when stderr is a terminal that can redraw a line.
bool is_terminal();

}  // namespace wf
