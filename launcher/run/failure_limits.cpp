#include "launcher/run/failure_limits.hpp"

#include <spdlog/fmt/fmt.h>

namespace wf {
namespace {

constexpr std::size_t clips_in_a_row = 5;
constexpr double within_seconds = 60;

}  // namespace

void FailureLimits::failed(std::size_t clip, Error::Kind kind, bool for_good, double now) {
  if (keep_going_) return;
  if (kind != Error::input) check_row(clip, kind, now);
  if (!for_good) return;
  for_good_.merge(with_copies(clip));
  check_count();
}

void FailureLimits::retried(std::size_t clip) {
  for (const std::size_t each : with_copies(clip)) for_good_.erase(each);
}

std::set<std::size_t> FailureLimits::with_copies(std::size_t clip) const {
  std::set<std::size_t> clips{clip};
  for (auto [copy, end] = copies_.equal_range(clip); copy != end; ++copy) clips.insert(copy->second);
  return clips;
}

void FailureLimits::done() { row_.clear(); }

void FailureLimits::check_row(std::size_t clip, Error::Kind kind, double now) {
  if (kind != kind_) row_.clear();
  kind_ = kind;
  std::erase_if(row_, [&](const Failure& f) { return f.clip == clip || now - f.time > within_seconds; });
  row_.push_back({clip, now});
  if (row_.size() >= clips_in_a_row && reason_.empty())
    reason_ = fmt::format("{} clips in a row failed with `{}` within a minute", row_.size(), to_string(kind));
}

void FailureLimits::check_count() {
  const auto failed = static_cast<double>(for_good_.size());
  if (failed <= (max_.percent ? max_.number * clips_ / 100 : max_.number) || !reason_.empty()) return;
  reason_ = fmt::format("more than {0}{1} clips failed (--max-failures {0}{2})", max_.number,
                        max_.percent ? "% of the" : "", max_.percent ? "%" : "");
}

}  // namespace wf
