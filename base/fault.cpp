#include "base/fault.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <random>
#include <string_view>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace wf {
namespace {

constexpr std::chrono::milliseconds delay{200};

struct Fault {
  std::string action, point;
  double chance = 1;
  std::optional<int> rank = {};
};

const std::vector<std::string> actions{"kill", "hang", "freeze", "slow", "drain", "throw", "enospc", "eio"};
std::vector<Fault> faults;  ///< of this rank; set once, before other threads start

[[noreturn]] void refuse(const std::string& fault, const std::string& why) {
  throw Error(Error::input, "WANFARM_FAULT: '" + fault + "': " + why + "; it is ACTION@POINT[:CHANCE][#RANK], with " +
                                join(actions, ", ") + " at " + join(fault_points(), ", "));
}

/// Cuts the text behind `mark` off; empty when there is no such mark.
std::optional<std::string> cut_behind(std::string& text, char mark) {
  const std::size_t at = text.find(mark);
  if (at == std::string::npos) return {};
  std::string behind = text.substr(at + 1);
  text.resize(at);
  return behind;
}

template <class Number>
Number number(const std::string& text, const std::string& fault) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) refuse(fault, "'" + text + "' is not a number");
  return value;
}

bool is_one_of(const std::string& text, const std::vector<std::string>& all) {
  return std::ranges::find(all, text) != all.end();
}

Fault parse(const std::string& text) {
  Fault fault{.action = text, .point = ""};
  if (const auto rank = cut_behind(fault.action, '#')) fault.rank = number<int>(*rank, text);
  if (const auto chance = cut_behind(fault.action, ':')) fault.chance = number<double>(*chance, text);
  fault.point = cut_behind(fault.action, '@').value_or("");
  if (!is_one_of(fault.action, actions)) refuse(text, "no such action");
  if (!is_one_of(fault.point, fault_points())) refuse(text, "no such point");
  if (!(fault.chance > 0 && fault.chance <= 1)) refuse(text, "the chance must be above 0 and at most 1");
  return fault;
}

/// "denoise" is at every step, whichever expert does it.
bool is_at(const Fault& fault, std::string_view point) {
  return fault.point == point || (fault.point == "denoise" && (point == "high" || point == "low"));
}

bool comes_up(double chance) {
  static std::mutex mutex;
  static std::mt19937_64 random{std::random_device{}()};
  const std::lock_guard lock(mutex);
  return std::uniform_real_distribution<>()(random) < chance;
}

[[noreturn]] void hang() {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

void happen(const Fault& fault) {
  if (fault.action == "slow") return std::this_thread::sleep_for(delay);
  spdlog::warn("WANFARM_FAULT: {} at {}", fault.action, fault.point);
  if (fault.action == "kill") ::kill(::getpid(), SIGKILL);
  if (fault.action == "hang") hang();
  if (fault.action == "freeze") return static_cast<void>(::kill(::getpid(), SIGSTOP));
  if (fault.action == "drain") return static_cast<void>(::kill(::getpid(), SIGUSR1));
  if (fault.action == "throw") throw Error(Error::internal, "a fault on purpose at " + fault.point);
  throw Error(Error::storage, fault.point + ": " + std::strerror(fault.action == "eio" ? EIO : ENOSPC));
}

}  // namespace

const std::vector<std::string>& fault_points() {
  static const std::vector<std::string> points{"start",  "load",    "text",          "high",         "low",
                                               "decode", "write",   "before_rename", "after_rename", "after_sidecar",
                                               "store",  "journal", "checkpoint",    "denoise"};
  return points;
}

void fault_point(const char* point) {
  for (const Fault& fault : faults)
    if (is_at(fault, point) && comes_up(fault.chance)) happen(fault);
}

void prepare_faults(int rank) {
  const char* const text = std::getenv("WANFARM_FAULT");
  if (!text || !*text) return;
  for (const std::string& part : split_at_commas(text))
    if (const Fault fault = parse(part); fault.rank.value_or(rank) == rank) faults.push_back(fault);
}

}  // namespace wf
