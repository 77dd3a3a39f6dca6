// base/deadline.hpp: a callback for work that does not finish in time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace wf {

/// Guards work that could wait for other processes for ever: calls `expired` on a thread of its own unless the object
/// is destroyed within `time`. The destructor waits for a call that has begun, so an `expired` that is meant to end the
/// process must do so itself.
class Deadline {
 public:
  Deadline(std::chrono::milliseconds time, std::function<void()> expired);
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable_any ended_;
  std::jthread thread_;  ///< The last member: it uses the others, and its destructor requests the stop.
};

}  // namespace wf
