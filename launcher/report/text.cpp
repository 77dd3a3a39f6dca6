#include "launcher/report/text.hpp"

#include <spdlog/fmt/fmt.h>

#include "base/clock.hpp"
#include "base/text.hpp"

namespace wf {

std::string seconds_text(double seconds) {
  if (seconds >= 59.95) return duration_text(seconds);
  return seconds >= 9.995 ? fmt::format("{:.1f} s", seconds) : fmt::format("{:.2f} s", seconds);
}

std::string time_text(double time) { return time > 0 ? local_time(time, "%Y-%m-%d %H:%M") : ""; }

std::string time_zone() { return local_time(unix_time(), "%Z"); }

std::string number_text(double value) {
  std::string text = fmt::format("{:.2f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text == "-0" ? "0" : text;
}

}  // namespace wf
