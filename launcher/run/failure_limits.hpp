// launcher/run/failure_limits.hpp: when so many clips fail that going on would only eat the list. Pure: no clock.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "launcher/options/max_failures.hpp"

namespace wf {

/// Told of every failure and every finished clip of a run, says whether the run is to be held, and why:
///   - five clips in a row, none finished in between, failed with one kind of error within a minute, be it for good or
///     to be tried again: that is no fault of theirs. Kind `input`, a prompt's own fault, does not count;
///   - more clips have failed for good than --max-failures allows.
/// With --keep-going neither counts. Not thread-safe.
class FailureLimits {
 public:
  /// clips: in the list. copies: the clips that become copies of a clip, and fail with it.
  FailureLimits(const MaxFailures& max, bool keep_going, std::size_t clips,
                std::multimap<std::size_t, std::size_t> copies = {})
      : max_(max), keep_going_(keep_going), clips_(static_cast<double>(clips)), copies_(std::move(copies)) {}

  /// An attempt has failed. for_good: the clip is not tried again. now: seconds of any clock that never goes back.
  void failed(std::size_t clip, Error::Kind kind, bool for_good, double now);
  /// A clip is done.
  void done();
  /// A clip that failed for good is tried again.
  void retried(std::size_t clip);

  /// Why the run is to be held, once it is; "" until then.
  const std::string& reason() const { return reason_; }

 private:
  void check_row(std::size_t clip, Error::Kind kind, double now);
  void check_count();
  std::set<std::size_t> with_copies(std::size_t clip) const;

  struct Failure {
    std::size_t clip;
    double time;
  };
  MaxFailures max_;
  bool keep_going_;
  double clips_;
  std::multimap<std::size_t, std::size_t> copies_;
  Error::Kind kind_ = Error::input;  ///< Of the row.
  std::deque<Failure> row_;          ///< Different clips, in order of their last failure, all within a minute.
  std::set<std::size_t> for_good_;   ///< Clips that have failed for good.
  std::string reason_;
};

}  // namespace wf
