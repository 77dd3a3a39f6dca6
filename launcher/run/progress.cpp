#include "launcher/run/progress.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <set>
#include <string_view>

#include "base/colours.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "cluster/launch/terminal.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

/// The first `width` bytes of a line, or a few less so that no UTF-8 character is cut in two.
std::string cut(std::string line, std::size_t width) {
  if (width >= line.size()) return line;
  while (width > 0 && (static_cast<unsigned char>(line[width]) & 0xC0) == 0x80) --width;
  return line.substr(0, width);
}

/// Makes a line that shows the activity shorter by `bytes`: the name loses its end, because what follows the name (the
/// step, the time left) is what one looks for.
void shorten_name(Activity& activity, std::size_t bytes) {
  constexpr std::size_t least = 8;
  constexpr std::string_view dots = "...";
  const std::size_t size = activity.clip.size();
  if (size <= least + dots.size()) return;
  const std::size_t kept = std::max(least, size - std::min(size, bytes + dots.size()));
  activity.clip = cut(activity.clip, kept).append(dots);
}

/// The line that `line_of` makes of the activity, at most `width` bytes.
template <class LineOf>
std::string fitted(Activity activity, std::size_t width, const LineOf& line_of) {
  std::string line = line_of(activity);
  if (line.size() > width) {
    shorten_name(activity, line.size() - width);
    line = line_of(activity);
  }
  return cut(std::move(line), width);
}

}  // namespace

std::string bar_line(const Standing& s, std::size_t width) {
  const auto full = static_cast<std::size_t>(std::clamp(s.share, 0.0, 1.0) * 20);
  const std::string bar = fmt::format("[{:-<20}] ", std::string(full, '#'));
  const std::string left = s.eta_seconds >= 0 ? fmt::format(", {} left", duration_text(s.eta_seconds)) : "";
  if (s.at_work.size() != 1)
    return cut(fmt::format("{}{}/{} done, {} at work{}", bar, s.ended, s.clips, s.at_work.size(), left), width);
  return fitted(s.at_work.front(), width, [&](const Activity& activity) {
    return fmt::format("{}{}/{} {}{}", bar, std::min(s.ended + 1, s.clips), s.clips, to_string(activity), left);
  });
}

std::string rank_line(std::size_t rank, const Activity& activity, std::size_t width) {
  return fitted(activity, width,
                [&](const Activity& shown) { return fmt::format("rank {:03} {}", rank, to_string(shown)); });
}

ProgressDisplay::ProgressDisplay(const std::vector<Job>& jobs, const Predicted& predicted, std::size_t groups, bool bar,
                                 int rank_lines, int branches)
    : clips_(jobs.size()),
      time_(jobs, predicted, groups, branches),
      bar_(bar),
      rank_lines_(static_cast<std::size_t>(rank_lines)) {
  if (bar_) before_each_line([this] { clear(); });
}

ProgressDisplay::~ProgressDisplay() {
  if (bar_) before_each_line({});
  clear();
}

void ProgressDisplay::at_work(const std::vector<Activity>& ranks) {
  const auto now = Clock::now();
  time_.observe(ranks, seconds(now));
  if (now - shown_ < (bar_ ? Clock::duration(100ms) : Clock::duration(60s))) return;
  shown_ = now;
  const Standing standing = this->standing(ranks, seconds(now));
  bar_ ? draw(standing, ranks) : log(standing, ranks);
}

Standing ProgressDisplay::standing(const std::vector<Activity>& ranks, double now) const {
  Standing standing;
  standing.ended = time_.ended();
  standing.clips = clips_;
  std::set<std::string> counted;  // the ranks of a group work on the same clip
  for (const Activity& activity : ranks)
    if (!activity.clip.empty() && counted.insert(activity.clip).second) standing.at_work.push_back(activity);
  standing.share = time_.share();
  standing.eta_seconds = time_.seconds_left(now);
  standing.eta_least = standing.eta_seconds / time_.uncertainty();
  standing.eta_most = standing.eta_seconds * time_.uncertainty();
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
  const bool colours = colours_are_welcome();
  std::string text = colours ? "\r\033[36m" : "\r";
  text += bar_line(standing, columns - 1) + (colours ? "\033[0m\033[K" : "\033[K");
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
