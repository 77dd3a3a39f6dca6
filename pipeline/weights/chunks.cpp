#include "pipeline/weights/chunks.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <latch>
#include <mutex>
#include <utility>

namespace wf {
namespace {

/// A loop that several threads share: each takes the next chunk when it is done with one, so a file is read nearly in
/// order and a thread that the disk delays holds up no other. The first error ends the loop on all threads.
class SharedWork {
 public:
  SharedWork(std::uint64_t bytes, std::uint64_t chunk,
             std::function<void(std::uint64_t begin, std::uint64_t size)> work)
      : bytes_(bytes), chunk_(chunk), work_(std::move(work)) {}

  void run() {
    try {
      for (std::uint64_t begin = next_.fetch_add(chunk_); begin < bytes_; begin = next_.fetch_add(chunk_))
        work_(begin, std::min(chunk_, bytes_ - begin));
    } catch (...) {
      next_ = bytes_;
      const std::lock_guard lock(failing_);
      if (!failure_) failure_ = std::current_exception();
    }
  }

  void rethrow_failure() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::uint64_t bytes_, chunk_;
  std::function<void(std::uint64_t, std::uint64_t)> work_;
  std::atomic<std::uint64_t> next_ = 0;
  std::mutex failing_;
  std::exception_ptr failure_;
};

}  // namespace

void for_each_chunk(std::uint64_t bytes, std::uint64_t chunk, std::function<void(std::uint64_t, std::uint64_t)> work) {
  SharedWork shared(bytes, chunk, std::move(work));
  const std::uint64_t most = at::get_num_threads(), chunks = (bytes + chunk - 1) / chunk;
  const auto helpers = static_cast<std::ptrdiff_t>(chunks > 1 ? std::min(most, chunks) - 1 : 0);
  std::latch done(helpers);
  for (std::ptrdiff_t i = 0; i < helpers; ++i)
    at::launch([&] {
      shared.run();
      done.count_down();
    });
  shared.run();
  done.wait();
  shared.rethrow_failure();
}

}  // namespace wf
