// base/background.hpp: a queue of tasks that one background thread carries out in order.
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

/// Runs the tasks that one thread puts on a second thread, in the order in which they were put. After a task has
/// thrown, no later task is run.
class Background {
 public:
  /// `thread` names the background thread in the trace. At most `max_waiting` tasks wait in addition to the running
  /// one, which bounds the memory that they hold.
  Background(std::string thread, std::size_t max_waiting);
  /// Waits for the running task to end and drops those that have not begun.
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  /// Queues a task; blocks while `max_waiting` tasks wait. Once a task has thrown, this and every later call rethrows
  /// its exception.
  void put(std::function<void()> task);
  /// Returns when all tasks are done. Rethrows the exception of a failed task, as put() does.
  void finish();

 private:
  void work(const std::stop_token& stop);

  const std::size_t max_waiting_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::function<void()>> waiting_;
  bool running_ = false;
  std::exception_ptr error_;
  std::jthread thread_;  ///< The last member, since the thread uses all the others.
};

}  // namespace wf
