#include "launcher/display.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/sinks/base_sink.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>
#include <string_view>

#include "cluster/log.hpp"
#include "launcher/terminal.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

/// Stands before the terminal's sink and takes the bar away for its line.
class ClearBar : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit ClearBar(Display& display) : display_(display) {}

 protected:
  void sink_it_(const spdlog::details::log_msg&) override { display_.clear(); }
  void flush_() override {}

 private:
  Display& display_;
};

/// The line's first `width` bytes, or a few less: never a character cut in two.
std::string cut(std::string line, std::size_t width) {
  if (width >= line.size()) return line;
  while (width > 0 && (static_cast<unsigned char>(line[width]) & 0xC0) == 0x80) --width;
  return line.substr(0, width);
}

/// NO_COLOR, when set to anything, means what it says (no-color.org).
bool colours() {
  const char* const value = std::getenv("NO_COLOR");
  return !value || !*value;
}

/// Proportional to the time a clip takes, close enough for an estimate.
double work_of(const Job& job) { return static_cast<double>(job.width) * job.height * job.frames * job.steps; }

/// Of a clip's work, what is done.
double share_of(const Activity& activity) {
  constexpr double denoising = 0.9;  // of a clip's time; what remains is decoding
  switch (activity.stage) {
    case Stage::text:
      return 0;
    case Stage::high:
    case Stage::low:
      return denoising * static_cast<double>(activity.step) /
             static_cast<double>(std::max<std::int64_t>(activity.steps, 1));
    case Stage::decode:
      return denoising;
    case Stage::write:
      return 1;
  }
  return 0;
}

}  // namespace

std::string duration_text(double seconds) {
  const long whole = std::lround(std::max(seconds, 0.0));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string bar_line(const Standing& s, std::size_t width) {
  const auto full = static_cast<std::size_t>(std::clamp(s.share, 0.0, 1.0) * 20);
  std::string line = fmt::format("[{:-<20}] ", std::string(full, '#'));
  if (s.at_work.size() == 1)
    line += fmt::format("{}/{} {}", std::min(s.ended + 1, s.clips), s.clips, words(s.at_work.front()));
  else
    line += fmt::format("{}/{} done, {} at work", s.ended, s.clips, s.at_work.size());
  if (s.eta_seconds >= 0) line += fmt::format(", {} left", duration_text(s.eta_seconds));
  return cut(std::move(line), width);
}

std::string rank_line(std::size_t rank, const Activity& activity, std::size_t width) {
  return cut(fmt::format("rank {:03} {}", rank, words(activity)), width);
}

Display::Display(const std::vector<Job>& jobs, bool bar, int rank_lines)
    : jobs_(jobs), bar_(bar), rank_lines_(static_cast<std::size_t>(rank_lines)) {
  for (const Job& job : jobs) work_total_ += work_[job.name] = work_of(job);
  auto& sinks = spdlog::default_logger()->sinks();
  if (bar_) sinks.insert(sinks.begin(), std::make_shared<ClearBar>(*this));
}

Display::~Display() {
  clear();
  auto& sinks = spdlog::default_logger()->sinks();
  if (bar_) sinks.erase(sinks.begin());
}

void Display::skip(std::size_t job) {
  work_total_ -= work_of(jobs_[job]);
  ++ended_;
}

void Display::end(std::size_t job) {
  work_done_ += work_of(jobs_[job]);
  ++ended_;
}

void Display::at_work(const std::vector<Activity>& ranks) {
  const auto now = Clock::now();
  if (now - shown_ < (bar_ ? Clock::duration(100ms) : Clock::duration(60s))) return;
  shown_ = now;
  bar_ ? draw(standing(ranks), ranks) : log(standing(ranks), ranks);
}

Standing Display::standing(const std::vector<Activity>& ranks) const {
  Standing standing;
  standing.ended = ended_;
  standing.clips = jobs_.size();
  double work = work_done_;
  std::set<std::string> met;  // the ranks of a group are at the same clip
  for (const Activity& activity : ranks) {
    const auto clip = work_.find(activity.clip);
    if (clip == work_.end() || !met.insert(activity.clip).second) continue;
    standing.at_work.push_back(activity);
    work += clip->second * share_of(activity);
  }
  standing.share = work_total_ > 0 ? std::min(work / work_total_, 1.0) : 1;
  const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
  standing.eta_seconds = standing.share > 0 ? elapsed * (1 - standing.share) / standing.share : -1;
  return standing;
}

void Display::log(const Standing& standing, const std::vector<Activity>& ranks) const {
  spdlog::info("{}", bar_line(standing, std::string::npos));
  for (std::size_t rank = 0; rank < std::min(rank_lines_, ranks.size()); ++rank)
    spdlog::debug("{}", rank_line(rank, ranks[rank], std::string::npos));
}

/// The bar, and below it the ranks' lines; the cursor goes back to where the bar begins.
void Display::draw(const Standing& standing, const std::vector<Activity>& ranks) {
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

void Display::clear() {
  const std::lock_guard lock(screen_);
  if (!drawn_) return;
  std::fputs("\r\033[J", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace wf
