// parallel/populating.hpp: pages for a block of host memory, found on several threads before they are pinned.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "parallel/host_memory.hpp"

namespace wf {

/// The call that pins memory finds pages on one thread, which takes longer than to read an expert. And where several
/// threads want pages of one file, or several processes the same pages, they wait for each other in the kernel. So the
/// processes that share a block divide its parts among them, and a thread finds the pages of a whole part: that halves
/// the time in which two ranks pin both experts (docs/performance.md). Linux before 5.14 cannot be asked.
class Populating {
 public:
  /// Works from now on.
  explicit Populating(std::shared_ptr<HostMemory> memory);
  /// Ends after the parts that are under way, which takes less than a second.
  ~Populating() = default;
  Populating(const Populating&) = delete;
  Populating& operator=(const Populating&) = delete;

  /// Returns when these pages of the block are there, and mapped by this process. Waits for parts that other processes
  /// have taken, but not for long when none gets ready, since one of those may have died. For one thread at a time.
  void populate(std::span<std::byte> pages);

 private:
  void wait_for(std::size_t part);

  std::shared_ptr<HostMemory> memory_;
  bool waits_ = true;                  ///< for other processes
  std::vector<std::jthread> threads_;  ///< the last member, since they use the block
};

}  // namespace wf
