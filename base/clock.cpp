#include "base/clock.hpp"

#include <array>
#include <chrono>
#include <ctime>

namespace wf {

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

double steady_time() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string local_time(double time, const char* format) {
  const auto whole = static_cast<std::time_t>(time);
  std::tm parts{};
  ::localtime_r(&whole, &parts);
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

}  // namespace wf
