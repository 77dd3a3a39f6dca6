#include "pipeline/weights/slices.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <latch>
#include <mutex>
#include <utility>

namespace wf {
namespace {

/// What several threads do together: each takes the next slice when it is done with one, so a file is read nearly in
/// order, and nobody waits long for a thread that the disk holds up. The first error ends it for all.
class SharedWork {
 public:
  SharedWork(std::uint64_t bytes, std::uint64_t slice,
             std::function<void(std::uint64_t begin, std::uint64_t size)> work)
      : bytes_(bytes), slice_(slice), work_(std::move(work)) {}

  void take_part() {
    try {
      for (std::uint64_t begin = next_.fetch_add(slice_); begin < bytes_; begin = next_.fetch_add(slice_))
        work_(begin, std::min(slice_, bytes_ - begin));
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
  std::uint64_t bytes_, slice_;
  std::function<void(std::uint64_t, std::uint64_t)> work_;
  std::atomic<std::uint64_t> next_ = 0;
  std::mutex failing_;
  std::exception_ptr failure_;
};

}  // namespace

void over_slices(std::uint64_t bytes, std::uint64_t slice, std::function<void(std::uint64_t, std::uint64_t)> work) {
  SharedWork shared(bytes, slice, std::move(work));
  const std::uint64_t most = at::get_num_threads(), slices = (bytes + slice - 1) / slice;
  const auto helpers = static_cast<std::ptrdiff_t>(slices > 1 ? std::min(most, slices) - 1 : 0);
  std::latch done(helpers);
  for (std::ptrdiff_t i = 0; i < helpers; ++i)
    at::launch([&] {
      shared.take_part();
      done.count_down();
    });
  shared.take_part();
  done.wait();
  shared.rethrow_failure();
}

}  // namespace wf
