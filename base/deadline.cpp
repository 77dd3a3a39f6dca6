#include "base/deadline.hpp"

#include <utility>

namespace wf {

Deadline::Deadline(std::chrono::milliseconds time, std::function<void()> expired)
    : thread_([this, time, expired = std::move(expired)](const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        if (ended_.wait_for(lock, stop, time, [] { return false; }) || stop.stop_requested()) return;
        expired();
      }) {}

}  // namespace wf
