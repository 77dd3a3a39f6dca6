#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

// The readers that tests fuzz link this file without spdlog, so it formats without fmt.
namespace wf {
namespace {

/// `value` with one decimal, then the unit.
std::string size_text(double value, const char* unit) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.1f %s", value, unit);
  return text.data();
}

}  // namespace

std::string join(const std::vector<std::string>& texts, const std::string& between) {
  std::string all;
  for (std::size_t i = 0; i < texts.size(); ++i) all += i == 0 ? texts[i] : between + texts[i];
  return all;
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::string count_text(std::size_t count, const std::string& thing) {
  return std::to_string(count) + " " + thing + (count == 1 ? "" : "s");
}

std::string shortest(double number) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr};
}

std::string duration_text(double seconds) {
  const long whole = std::lround(std::max(seconds, 0.0));
  std::array<char, 64> text{};
  if (whole < 3600)
    std::snprintf(text.data(), text.size(), "%ld:%02ld", whole / 60, whole % 60);
  else
    std::snprintf(text.data(), text.size(), "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  return text.data();
}

std::string gigabytes(std::uint64_t bytes) { return size_text(static_cast<double>(bytes) / 1e9, "GB"); }

std::string gibibytes(std::uint64_t bytes) {
  return size_text(static_cast<double>(bytes) / static_cast<double>(1ull << 30), "GiB");
}

}  // namespace wf
