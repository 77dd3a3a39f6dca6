#include "parallel/pinning.hpp"

#include <spdlog/stopwatch.h>
#include <sys/resource.h>

#include <string>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "base/trace.hpp"
#include "base/watched_work.hpp"
#include "parallel/pinned_pages.hpp"
#include "parallel/populating.hpp"

namespace wf {
namespace {

std::uint64_t bytes_of(std::span<const std::span<std::byte>> pieces) {
  std::uint64_t bytes = 0;
  for (const std::span<std::byte> piece : pieces) bytes += piece.size();
  return bytes;
}

/// `ulimit -l`; what CUDA pins counts against it on some systems alone.
std::string lock_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return "unlimited";
  return std::to_string(limit.rlim_cur / 1024) + " KiB";
}

}  // namespace

Pinning::Pinning(at::Device device, std::shared_ptr<HostMemory> memory, std::vector<std::span<std::byte>> pieces,
                 std::shared_ptr<Pinning> after)
    : device_(device), memory_(std::move(memory)), pieces_(std::move(pieces)), after_(std::move(after)) {
  over_ = device.is_cpu() || pieces_.empty();
  if (over_) return;
  thread_ = std::jthread([this](const std::stop_token& stop) {
    trace::name_thread("pinning");
    if (after_) {
      std::unique_lock lock(after_->mutex_);
      after_->changed_.wait(lock, stop, [&] { return after_->over_; });
    }
    work(stop);
    const std::lock_guard lock(mutex_);
    over_ = true;
    changed_.notify_all();
  });
}

Pinning::~Pinning() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  for (std::size_t i = 0; i < pinned_; ++i) unpin_pages(device_, pieces_[i]);
}

void Pinning::work(const std::stop_token& stop) {
  const spdlog::stopwatch watch;
  const std::uint64_t all = bytes_of(pieces_);
  Populating populating(memory_);
  for (const std::span<std::byte> piece : pieces_) {
    if (stop.stop_requested()) return;
    populating.populate(piece);
    if (const std::string problem = pin_pages(device_, piece); !problem.empty())
      return spdlog::warn(
          "{} of {} of host memory for experts cannot be pinned, so their copies take longer: {}; what may help: more "
          "free memory, or `ulimit -l unlimited` (it is {}; docker run --ulimit memlock=-1)",
          gigabytes(all - bytes_of(std::span(pieces_).first(pinned_))), gigabytes(all), problem, lock_limit());
    const std::lock_guard lock(mutex_);
    ++pinned_;
    changed_.notify_all();
  }
  spdlog::debug("{} of host memory were pinned in {:.1f} s, beside other work", gigabytes(all), watch);
}

bool Pinning::is_pinned_until(const std::byte* end) const {
  return over_ || pinned_ == pieces_.size() || pieces_[pinned_].data() >= end;
}

void Pinning::wait_until(const std::byte* end) {
  std::unique_lock lock(mutex_);
  for (std::size_t before = pinned_; !is_pinned_until(end); before = pinned_) {
    changed_.wait(lock);
    if (pinned_ != before) mark_progress();
  }
}

}  // namespace wf
