// parallel/pinning.hpp: memory that is pinned beside other work, before it is needed.
#pragma once

#include <c10/core/Device.h>

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "parallel/host_memory.hpp"

namespace wf {

/// Pins memory on a thread of its own, piece by piece: pinning takes long (15 s for 29 GB were measured), and each call
/// may hold up other threads' calls to CUDA while it lasts. Where pages cannot be pinned, a warning says so once, and
/// the rest stays as it is: copies are still right, only slower, and wait for computation.
class Pinning {
 public:
  /// Pins pieces of the block, of whole pages, in their order, once all of `after` is pinned; null: at once. On a CPU
  /// there is nothing to do.
  Pinning(at::Device device, std::shared_ptr<HostMemory> memory, std::vector<std::span<std::byte>> pieces,
          std::shared_ptr<Pinning> after = nullptr);
  /// Ends the work after the piece that is being pinned, and unpins all. No copy may be under way.
  ~Pinning();
  Pinning(const Pinning&) = delete;
  Pinning& operator=(const Pinning&) = delete;

  /// Waits until all pieces that begin before `end` are pinned, or cannot be. Any thread may call this.
  void wait_until(const std::byte* end);

 private:
  void work(const std::stop_token& stop);
  bool is_pinned_until(const std::byte* end) const;

  const at::Device device_;
  const std::shared_ptr<HostMemory> memory_;
  const std::vector<std::span<std::byte>> pieces_;
  const std::shared_ptr<Pinning> after_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t pinned_ = 0;  ///< pieces that are
  bool over_ = false;       ///< no more will be
  std::jthread thread_;     ///< the last member, since it uses all the others
};

}  // namespace wf
