// launcher/run/run_control.hpp: what users ask of a run while it is at work (jobs/record/control.hpp), in terms of its
// clips.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "jobs/job.hpp"
#include "jobs/record/control.hpp"

namespace wf {

/// A request to the coordinator: of a user, or of what watches over the run for them.
struct UserRequest {
  ControlRequest::Action action = ControlRequest::drain;
  std::optional<std::size_t> clip = {};  ///< index into the run's jobs; empty: all that it can mean
  std::string why = "a user asks for it";
};

/// Which requests a run obeys now.
enum class Taken {
  all,
  all_but_retries,  ///< a clip could not be tried again any more in this run
};

/// The requests that users leave in the folder of a run. For one thread.
class RunControl {
 public:
  /// jobs outlives this object.
  RunControl(Path output, const std::vector<Job>& jobs) : output_(std::move(output)), jobs_(jobs) {}

  /// The requests that have come since the last call; every look_period one call looks at the disk. A request for a
  /// clip that is not in the run is logged and dropped. Retries that are not taken wait there for the next start, which
  /// the log says once. Throws Error(storage).
  std::vector<UserRequest> take(Taken taken);
  /// The requests that were left before this start. Where it is the first one of its run, only those about clips: a
  /// request to drain, pause or resume was meant for a run that has ended meanwhile, and is dropped.
  std::vector<UserRequest> take_earlier(bool is_restart);

 private:
  std::vector<UserRequest> look(Taken taken);

  Path output_;
  const std::vector<Job>& jobs_;
  std::chrono::steady_clock::time_point looked_at_ = {};
  bool told_of_retries_ = false;
};

}  // namespace wf
