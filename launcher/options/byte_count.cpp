#include "launcher/options/byte_count.hpp"

#include <spdlog/fmt/fmt.h>

#include <charconv>

#include "base/error.hpp"

namespace wf {

std::uint64_t parse_bytes(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  const bool binary = unit.empty() || unit == "GiB" || unit == "G", decimal = unit == "GB";
  if (error != std::errc{} || !(number > 0 && number < 1e6) || !(binary || decimal))
    throw Error(Error::input, "a size such as 48GiB or 48GB is needed, got '" + text + "'");
  return static_cast<std::uint64_t>(number * (binary ? static_cast<double>(1ull << 30) : 1e9));
}

double parse_rate(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  if (error != std::errc{} || !(number > 0 && number < 1e6) || (unit != "GB/s" && unit != "MB/s"))
    throw Error(Error::input, "a rate such as 12GB/s or 500MB/s is needed, got '" + text + "'");
  return number * (unit == "GB/s" ? 1e9 : 1e6);
}

std::string link_text(double bytes_a_second) {
  return bytes_a_second < 1e9 ? fmt::format("{:.0f}MB/s", bytes_a_second / 1e6)
                              : fmt::format("{:.1f}GB/s", bytes_a_second / 1e9);
}

}  // namespace wf
