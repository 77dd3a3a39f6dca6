#include "base/background.hpp"

#include <utility>

#include "base/trace.hpp"

namespace wf {

Background::Background(std::string thread, std::size_t max_waiting)
    : max_waiting_(max_waiting), thread_([this, thread = std::move(thread)](const std::stop_token& stop) {
        trace::name_thread(thread);
        work(stop);
      }) {}

Background::~Background() = default;  // ~jthread requests a stop and joins

void Background::put(std::function<void()> task) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return error_ || waiting_.size() < max_waiting_; });
  if (error_) std::rethrow_exception(error_);
  waiting_.push_back(std::move(task));
  changed_.notify_all();
}

void Background::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return error_ || (waiting_.empty() && !running_); });
  if (error_) std::rethrow_exception(error_);
}

void Background::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!error_ && changed_.wait(lock, stop, [&] { return !waiting_.empty(); }) && !stop.stop_requested()) {
    std::function<void()> task = std::move(waiting_.front());
    waiting_.pop_front();
    running_ = true;
    changed_.notify_all();
    lock.unlock();
    std::exception_ptr error;
    try {
      task();
    } catch (...) {
      error = std::current_exception();
    }
    task = {};  // frees what the task holds before finish() can return
    lock.lock();
    running_ = false;
    error_ = error;
    changed_.notify_all();
  }
}

}  // namespace wf
