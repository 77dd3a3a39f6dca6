#include "launcher/run/progress.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/sinks/base_sink.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <numeric>
#include <set>
#include <string_view>

#include "base/log.hpp"
#include "base/text.hpp"
#include "cluster/launch/terminal.hpp"
#include "jobs/schedule/clip_shape.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

/// A log sink that stands before the terminal's and takes the bar away for each line.
class ClearBar : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit ClearBar(ProgressDisplay& progress) : progress_(progress) {}

 protected:
  void sink_it_(const spdlog::details::log_msg&) override { progress_.clear(); }
  void flush_() override {}

 private:
  ProgressDisplay& progress_;
};

/// The first `width` bytes of a line, or a few less so that no UTF-8 character is cut in two.
std::string cut(std::string line, std::size_t width) {
  if (width >= line.size()) return line;
  while (width > 0 && (static_cast<unsigned char>(line[width]) & 0xC0) == 0x80) --width;
  return line.substr(0, width);
}

/// False when NO_COLOR is set to anything (no-color.org).
bool colours() {
  const char* const value = std::getenv("NO_COLOR");
  return !value || !*value;
}

}  // namespace

std::string bar_line(const Standing& s, std::size_t width) {
  const auto full = static_cast<std::size_t>(std::clamp(s.share, 0.0, 1.0) * 20);
  std::string line = fmt::format("[{:-<20}] ", std::string(full, '#'));
  if (s.at_work.size() == 1)
    line += fmt::format("{}/{} {}", std::min(s.ended + 1, s.clips), s.clips, to_string(s.at_work.front()));
  else
    line += fmt::format("{}/{} done, {} at work", s.ended, s.clips, s.at_work.size());
  if (s.eta_seconds >= 0) line += fmt::format(", {} left", duration_text(s.eta_seconds));
  return cut(std::move(line), width);
}

std::string rank_line(std::size_t rank, const Activity& activity, std::size_t width) {
  return cut(fmt::format("rank {:03} {}", rank, to_string(activity)), width);
}

PredictedWork::PredictedWork(const std::vector<Job>& jobs, const Predicted& predicted)
    : shapes_(shape_groups(jobs)), seconds_(jobs.size()) {
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (shapes_[i] != i) continue;
    for (const Stage stage : all_stages) seconds_[i][static_cast<std::size_t>(stage)] = predicted(jobs[i], stage);
  }
}

double PredictedWork::whole(std::size_t job) const {
  const SecondsByStage& seconds = seconds_[shapes_[job]];
  return std::accumulate(seconds.begin(), seconds.end(), 0.0);
}

double PredictedWork::done(std::size_t job, const Activity& activity) const {
  const SecondsByStage& seconds = seconds_[shapes_[job]];
  const auto of = [&](Stage stage) { return seconds[static_cast<std::size_t>(stage)]; };
  const double denoising = of(Stage::high) + of(Stage::low);
  const auto steps = static_cast<double>(std::max<std::int64_t>(activity.steps, 1));
  switch (activity.stage) {
    case Stage::text:
      return 0;
    case Stage::high:
    case Stage::low:
      return of(Stage::text) + denoising * static_cast<double>(activity.step) / steps;
    case Stage::decode:
      return of(Stage::text) + denoising;
    case Stage::write:
      return of(Stage::text) + denoising + of(Stage::decode);
  }
  return 0;
}

ProgressDisplay::ProgressDisplay(const std::vector<Job>& jobs, const Predicted& predicted, bool bar, int rank_lines)
    : jobs_(jobs), work_(jobs, predicted), bar_(bar), rank_lines_(static_cast<std::size_t>(rank_lines)) {
  for (std::size_t job = 0; job < jobs.size(); ++job) {
    job_of_name_[jobs[job].name] = job;
    work_total_ += work_.whole(job);
  }
  auto& sinks = spdlog::default_logger()->sinks();
  if (bar_) sinks.insert(sinks.begin(), std::make_shared<ClearBar>(*this));
}

ProgressDisplay::~ProgressDisplay() {
  clear();
  auto& sinks = spdlog::default_logger()->sinks();
  if (bar_) sinks.erase(sinks.begin());
}

void ProgressDisplay::skip(std::size_t job) {
  work_total_ -= work_.whole(job);
  ++ended_;
}

void ProgressDisplay::end(std::size_t job) {
  work_done_ += work_.whole(job);
  ++ended_;
}

void ProgressDisplay::at_work(const std::vector<Activity>& ranks) {
  const auto now = Clock::now();
  if (now - shown_ < (bar_ ? Clock::duration(100ms) : Clock::duration(60s))) return;
  shown_ = now;
  bar_ ? draw(standing(ranks), ranks) : log(standing(ranks), ranks);
}

Standing ProgressDisplay::standing(const std::vector<Activity>& ranks) const {
  Standing standing;
  standing.ended = ended_;
  standing.clips = jobs_.size();
  double work = work_done_;
  std::set<std::string> counted;  // the ranks of a group work on the same clip
  for (const Activity& activity : ranks) {
    const auto job = job_of_name_.find(activity.clip);
    if (job == job_of_name_.end() || !counted.insert(activity.clip).second) continue;
    standing.at_work.push_back(activity);
    work += work_.done(job->second, activity);
  }
  standing.share = ended_ < jobs_.size() && work_total_ > 0 ? std::min(work / work_total_, 1.0) : 1;
  const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
  standing.eta_seconds = standing.share > 0 ? elapsed * (1 - standing.share) / standing.share : -1;
  return standing;
}

void ProgressDisplay::log(const Standing& standing, const std::vector<Activity>& ranks) const {
  spdlog::info("{}", bar_line(standing, std::string::npos));
  for (std::size_t rank = 0; rank < std::min(rank_lines_, ranks.size()); ++rank)
    spdlog::debug("{}", rank_line(rank, ranks[rank], std::string::npos));
}

/// Draws the bar and the lines of the ranks below it; the cursor goes back to where the bar begins.
void ProgressDisplay::draw(const Standing& standing, const std::vector<Activity>& ranks) {
  const auto [rows, columns] = terminal_of_stderr().value_or(TerminalSize());
  std::string text = colours() ? "\r\033[36m" : "\r";
  text += bar_line(standing, columns - 1) + (colours() ? "\033[0m\033[K" : "\033[K");
  const std::size_t lines = std::min({rank_lines_, ranks.size(), rows > 2 ? rows - 2 : 0});
  for (std::size_t rank = 0; rank < lines; ++rank)
    text += fmt::format("\n{}\033[K", rank_line(rank, ranks[rank], columns - 1));
  if (lines > 0) text += fmt::format("\033[{}A\r", lines);
  const std::lock_guard lock(screen_);
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressDisplay::clear() {
  const std::lock_guard lock(screen_);
  if (!drawn_) return;
  std::fputs("\r\033[J", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace wf
