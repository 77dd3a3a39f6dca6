#include "cluster/background.hpp"

#include <utility>

#include "cluster/trace.hpp"

namespace wf {

Background::Background(std::string thread, std::size_t most_waiting)
    : most_waiting_(most_waiting), thread_([this, thread = std::move(thread)](const std::stop_token& stop) {
        trace::name_thread(thread);
        work(stop);
      }) {}

Background::~Background() = default;  // the jthread's asks for a stop and waits

void Background::put(std::function<void()> task) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return error_ || waiting_.size() < most_waiting_; });
  if (error_) std::rethrow_exception(error_);
  waiting_.push_back(std::move(task));
  changed_.notify_all();
}

void Background::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return error_ || (waiting_.empty() && !at_work_); });
  if (error_) std::rethrow_exception(error_);
}

void Background::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!error_ && changed_.wait(lock, stop, [&] { return !waiting_.empty(); }) && !stop.stop_requested()) {
    std::function<void()> task = std::move(waiting_.front());
    waiting_.pop_front();
    at_work_ = true;
    changed_.notify_all();
    lock.unlock();
    std::exception_ptr error;
    try {
      task();
    } catch (...) {
      error = std::current_exception();
    }
    task = {};  // its data go before anyone hears that it is done
    lock.lock();
    at_work_ = false;
    error_ = error;
    changed_.notify_all();
  }
}

}  // namespace wf
