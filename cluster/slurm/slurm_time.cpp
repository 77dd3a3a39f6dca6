#include "cluster/slurm/slurm_time.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <vector>

namespace wf {
namespace {

/// The numbers between colons; empty when a part is no number, or a very large one.
std::vector<std::int64_t> numbers_of(std::string_view text) {
  constexpr std::int64_t most = 1'000'000;
  std::vector<std::int64_t> numbers;
  for (;;) {
    const std::size_t end = std::min(text.find(':'), text.size());
    std::int64_t number = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + end, number);
    if (error != std::errc{} || stop != text.data() + end || number < 0 || number > most) return {};
    numbers.push_back(number);
    if (end == text.size()) return numbers;
    text.remove_prefix(end + 1);
  }
}

constexpr std::int64_t minute = 60, hour = 60 * minute, day = 24 * hour;

}  // namespace

std::optional<std::int64_t> parse_slurm_time(std::string_view text) {
  const std::size_t dash = text.find('-');
  const bool has_days = dash != text.npos;
  const auto days = has_days ? numbers_of(text.substr(0, dash)) : std::vector<std::int64_t>{0};
  std::vector<std::int64_t> parts = numbers_of(has_days ? text.substr(dash + 1) : text);
  if (days.size() != 1 || parts.empty() || parts.size() > 3) return {};
  if (!has_days && parts.size() < 3) parts.insert(parts.begin(), 0);  // the first number is of minutes, not of hours
  parts.resize(3);
  return days[0] * day + parts[0] * hour + parts[1] * minute + parts[2];
}

std::optional<double> parse_slurm_moment(const std::string& text) {
  struct tm moment {};
  const char* const end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &moment);
  if (!end || *end != '\0') return {};
  moment.tm_isdst = -1;  // whether it is summer is for mktime() to say
  return static_cast<double>(std::mktime(&moment));
}

std::string slurm_time_text(std::int64_t seconds) {
  const std::string days = seconds >= day ? fmt::format("{}-", seconds / day) : "";
  return fmt::format("{}{:02}:{:02}:{:02}", days, seconds % day / hour, seconds % hour / minute, seconds % minute);
}

}  // namespace wf
