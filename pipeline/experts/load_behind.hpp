// pipeline/experts/load_behind.hpp: an expert that is loaded while the other one computes.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <future>
#include <optional>
#include <stop_token>
#include <thread>

#include "pipeline/model/dit.hpp"

namespace wf {

/// Loads on a thread, and on a GPU on a stream, of its own. For one thread.
class LoadBehind {
 public:
  /// Gives the expert on the device, or nothing if it has put it elsewhere. Once a stop is requested it soon throws
  /// Stopped, or gives nothing.
  using Load = std::function<std::optional<DitWeights>(const std::stop_token&)>;
  struct Stopped {};

  /// which: the expert, for those who watch the work (base/watched_work.hpp).
  LoadBehind(Expert which, at::Device device, Load load);
  ~LoadBehind();  ///< requests a stop, and waits until the work has ended
  LoadBehind(const LoadBehind&) = delete;
  LoadBehind& operator=(const LoadBehind&) = delete;

  Expert which() const noexcept { return which_; }
  /// Waits for the end of the work, once. Nothing, too, when it has failed, which is logged: who needs the expert loads
  /// it then, and meets the same error if it is one that lasts.
  std::optional<DitWeights> result();

 private:
  const Expert which_;
  std::promise<std::optional<DitWeights>> promise_;
  std::jthread thread_;  ///< the last member, since it uses all the others
};

}  // namespace wf
