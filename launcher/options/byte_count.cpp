#include "launcher/options/byte_count.hpp"

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

}  // namespace wf
