#include "launcher/report/text.hpp"

#include <spdlog/fmt/fmt.h>

#include <ctime>

#include "base/text.hpp"

namespace wf {
namespace {

std::string local_time(double time, const char* format) {
  const auto whole = static_cast<std::time_t>(time);
  std::tm parts{};
  ::localtime_r(&whole, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, format, &parts)};
}

}  // namespace

std::string seconds_text(double seconds) {
  if (seconds >= 59.95) return duration_text(seconds);
  return seconds >= 9.995 ? fmt::format("{:.1f} s", seconds) : fmt::format("{:.2f} s", seconds);
}

std::string time_text(double time) { return time > 0 ? local_time(time, "%Y-%m-%d %H:%M") : ""; }

std::string time_zone() { return local_time(static_cast<double>(std::time(nullptr)), "%Z"); }

std::string count_text(std::size_t count, const std::string& thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

std::string number_text(double value) {
  std::string text = fmt::format("{:.2f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text == "-0" ? "0" : text;
}

double total_seconds(const std::map<std::string, double>& seconds) {
  double sum = 0;
  for (const auto& [stage, spent] : seconds) sum += spent;
  return sum;
}

}  // namespace wf
