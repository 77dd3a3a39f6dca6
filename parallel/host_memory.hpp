// parallel/host_memory.hpp: a block of host memory that is written once and then only read, by one process or by all
// processes of a node that share it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>

#include "base/descriptor.hpp"

namespace wf {

/// Where other processes of the same user on the same machine find a block. Plain bytes, which may be sent to them.
struct HostMemoryAddress {
  std::int64_t process = 0;  ///< number of the process that made it
  std::int64_t descriptor = -1;
  std::array<std::uint64_t, 2> token = {};  ///< random; a process of another container may have the same number
};

/// A block of bytes that processes share, or that one has for itself: a share of one. Memory is taken where something
/// is written, or where pages are pinned.
///
/// A shared block is a file without a name (memfd_create), which the others open through /proc. So nothing can stay
/// behind: the kernel frees it with the last process that has it, however those end; and its size is bounded by the
/// node's memory (or that of the container), not by /dev/shm, which in containers usually has 64 MB. Who has opened it
/// keeps it, also when the process that made it has died.
///
/// Who writes is settled by a lock that the kernel takes away from a process that dies: the next one writes again.
/// Any thread may ask whether it is written; all else is for one thread at a time.
class HostMemory {
 public:
  /// A block of this process alone. Throws Error(resource) when there is no room.
  explicit HostMemory(std::uint64_t bytes);
  /// A block that others can open. key: what will be written, the same for all that share it. Throws Error(environment)
  /// when the kernel makes none.
  static std::shared_ptr<HostMemory> shared(std::uint64_t bytes, std::uint64_t key);
  /// The block at an address. Throws Error(environment), saying why, when it cannot be opened, or is not of this size
  /// and key.
  static std::shared_ptr<HostMemory> open(const HostMemoryAddress& address, std::uint64_t bytes, std::uint64_t key);
  ~HostMemory();
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;

  std::byte* data() const noexcept;  ///< begins at a page
  std::uint64_t bytes() const noexcept { return bytes_; }
  bool is_shared() const noexcept { return file_.get() >= 0; }
  /// Of a block that this process has made with shared().
  HostMemoryAddress address() const;

  /// Whether all of it has been written, by whichever process.
  bool is_written() const noexcept;
  /// Tells those who wait for their turn that the work of this process, which writes, has moved.
  void mark_writing() noexcept;

  /// The right to write, which one process has at a time. It ends with the object, or with the process.
  class Turn {
   public:
    explicit Turn(HostMemory& memory) : memory_(memory) {}
    ~Turn();  ///< unless it was finished, the next process writes everything again
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    void finish();  ///< all is written, and is not changed any more

   private:
    HostMemory& memory_;
  };
  /// The turn of this process; null when everything is written. While another process writes this waits, and makes
  /// progress (base/watched_work.hpp) as that one does. Null as well once `stop` is requested.
  std::unique_ptr<Turn> wait_for_turn(const std::stop_token& stop = {});
  /// The same without waiting: null also while another process writes.
  std::unique_ptr<Turn> turn_if_free();

 private:
  struct Head;
  HostMemory(int file, std::uint64_t bytes);
  void map(int flags);
  bool lock() const;

  Descriptor file_;  ///< of a shared block; none: the memory is this process's own
  std::uint64_t bytes_;
  Head* head_ = nullptr;  ///< the first page; the data follow
};

/// The calls that a shared block needs.
enum class HostMemoryStep { create, open };
/// For tests: `fault` is called before each step and returns the errno with which it fails, or 0 to let it run. An
/// empty function removes the fault. Set and remove it while no other thread makes or opens blocks.
void inject_host_memory_faults(std::function<int(HostMemoryStep)> fault);

}  // namespace wf
