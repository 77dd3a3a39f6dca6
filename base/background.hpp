// cluster/background.hpp: tasks done one after the other by a thread of their own, while whoever hands them over goes
// on.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace wf {

/// One thread hands tasks over; they are done in that order. After one that throws, no other is done.
class Background {
 public:
  /// thread: its name in the trace. At most `most_waiting` tasks wait beside the one at hand, which bounds their
  /// memory.
  Background(std::string thread, std::size_t most_waiting);
  /// Lets the task at hand end, and drops those that wait.
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  /// Blocks while `most_waiting` tasks wait. Throws what a task has thrown, this time and every time after.
  void put(std::function<void()> task);
  /// Returns when all tasks are done. Throws as put() does.
  void finish();

 private:
  void work(const std::stop_token& stop);

  const std::size_t most_waiting_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::function<void()>> waiting_;
  bool at_work_ = false;
  std::exception_ptr error_;
  std::jthread thread_;  ///< last, for it uses the others
};

}  // namespace wf
