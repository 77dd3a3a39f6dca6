#include "launcher/display.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string_view>

#include "cluster/log.hpp"

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

std::size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// NO_COLOR, when set to anything, means what it says (no-color.org).
bool colours() {
  const char* const value = std::getenv("NO_COLOR");
  return !value || !*value;
}

/// Proportional to the time a clip takes, close enough for an estimate.
double work_of(const Job& job) { return static_cast<double>(job.width) * job.height * job.frames * job.steps; }

}  // namespace

std::string duration_text(double seconds) {
  const long whole = std::lround(std::max(seconds, 0.0));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string bar_line(const Standing& s, std::size_t width) {
  const auto full = static_cast<std::size_t>(std::clamp(s.share, 0.0, 1.0) * 20);
  std::string line =
      fmt::format("[{:-<20}] {}/{} {} {}", std::string(full, '#'), s.clip, s.clips, s.name, to_string(s.stage));
  if (s.steps > 1) line += fmt::format(" {}/{}", s.step, s.steps);
  if (s.eta_seconds >= 0) line += fmt::format(", {} left", duration_text(s.eta_seconds));
  if (width >= line.size()) return line;
  while (width > 0 && (static_cast<unsigned char>(line[width]) & 0xC0) == 0x80)
    --width;  // never cut a character in two
  return line.substr(0, width);
}

Display::Display(const std::vector<Job>& jobs, bool bar) : jobs_(jobs), bar_(bar) {
  standing_.clips = jobs.size();
  for (const Job& job : jobs) work_total_ += work_of(job);
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

void Display::begin(std::size_t job) {
  current_work_ = work_of(jobs_[job]);
  standing_.clip = ended_ + 1;
  standing_.name = jobs_[job].name;
  step(Stage::text, 0, 1);
}

void Display::step(Stage stage, std::int64_t step, std::int64_t steps) {
  standing_.stage = stage;
  standing_.step = step;
  standing_.steps = steps;
  const auto now = Clock::now();
  if (now - shown_ < (bar_ ? Clock::duration(100ms) : Clock::duration(60s))) return;
  shown_ = now;
  const double done = work_done_ + current_work_ * clip_share();
  standing_.share = work_total_ > 0 ? done / work_total_ : 1;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  standing_.eta_seconds = standing_.share > 0 ? elapsed * (1 - standing_.share) / standing_.share : -1;
  draw();
}

void Display::end(std::size_t job) {
  work_done_ += work_of(jobs_[job]);
  current_work_ = 0;
  ++ended_;
}

double Display::clip_share() const {
  constexpr double denoising = 0.9;  // of a clip's time; what remains is decoding
  switch (standing_.stage) {
    case Stage::text:
      return 0;
    case Stage::high:
    case Stage::low:
      return denoising * static_cast<double>(standing_.step) / static_cast<double>(standing_.steps);
    case Stage::decode:
      return denoising;
    case Stage::write:
      return 1;
  }
  return 0;
}

void Display::draw() {
  if (!bar_) {
    spdlog::info("{}", bar_line(standing_, std::string::npos));
    return;
  }
  const std::string line = bar_line(standing_, terminal_width() - 1);
  std::fprintf(stderr, colours() ? "\r\033[36m%s\033[0m\033[K" : "\r%s\033[K", line.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void Display::clear() {
  if (!drawn_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

bool is_terminal() {
  const char* const kind = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) != 0 && kind && std::string_view(kind) != "dumb";
}

}  // namespace wf
