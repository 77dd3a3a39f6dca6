// parallel/host_memory.hpp: a block of host memory that is written once and then only read, by one process or by all
// processes of a node that share it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "base/descriptor.hpp"

namespace wf {

/// Where other processes of the same user on the same machine find a block. Plain bytes, which may be sent to them.
struct HostMemoryAddress {
  std::int64_t process = 0;                 ///< number of the process that made it
  std::int64_t descriptor = -1;             ///< of its first part, which names the others
  std::array<std::uint64_t, 2> token = {};  ///< random; a process of another container may have the same number
};

/// A block of bytes that processes share, or that one has for itself: a share of one. Memory is taken where something
/// is written, or where pages are pinned.
///
/// A shared block consists of files without a name (memfd_create), its parts, which the others open through /proc. So
/// nothing can stay behind: the kernel frees them with the last process that has them, however those end; and their
/// size is bounded by the node's memory (or that of the container), not by /dev/shm, which in containers usually has
/// 64 MB. Who has opened them keeps them, also when the process that made them has died. There are several because the
/// kernel gives pages to a file one at a time, to several files at once (parallel/populating.hpp).
///
/// Who writes is settled by a lock that the kernel takes away from a process that dies: the next one writes again.
/// Any thread may ask whether it is written; all else is for one thread at a time.
class HostMemory {
 public:
  static constexpr std::uint64_t usual_part_bytes = 256 << 20;

  /// A block of this process alone. Throws Error(resource) when there is no room.
  explicit HostMemory(std::uint64_t bytes);
  /// A block that others can open. key: what will be written, the same for all that share it. part_bytes: size of a
  /// part, whole pages; it is more where that would give too many parts. Throws Error(environment) when the kernel
  /// makes none.
  static std::shared_ptr<HostMemory> shared(std::uint64_t bytes, std::uint64_t key,
                                            std::uint64_t part_bytes = usual_part_bytes);
  /// The block at an address. Throws Error(environment), saying why, when it cannot be opened, or is not of this size
  /// and key.
  static std::shared_ptr<HostMemory> open(const HostMemoryAddress& address, std::uint64_t bytes, std::uint64_t key);
  ~HostMemory();
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;

  std::byte* data() const noexcept;  ///< begins at a page
  std::uint64_t bytes() const noexcept { return bytes_; }
  bool is_shared() const noexcept { return !files_.empty(); }
  /// Of a block that this process has made with shared().
  HostMemoryAddress address() const;

  /// Whether all of it has been written, by whichever process.
  bool is_written() const noexcept;
  /// Tells those who wait for their turn that the work of this process, which writes, has moved.
  void mark_writing() noexcept;

  /// The parts one after the other, with the page that lies before the data. What is not shared is divided as well.
  std::size_t parts() const noexcept { return (mapped_bytes() + part_bytes_ - 1) / part_bytes_; }
  std::span<std::byte> part(std::size_t number) const noexcept;
  /// The next part that no process has been given by this call, to find memory for it; none: all have been.
  std::optional<std::size_t> take_part() noexcept;
  /// Tells all processes that a part has all its memory.
  void mark_populated(std::size_t part) noexcept;
  bool is_populated(std::size_t part) const noexcept;
  std::size_t populated_parts() const noexcept;  ///< how many

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
  HostMemory(std::vector<Descriptor> files, std::uint64_t bytes, std::uint64_t part_bytes);
  std::uint64_t mapped_bytes() const noexcept;
  bool lock() const;

  std::vector<Descriptor> files_;  ///< of the parts of a shared block, of which who has opened it keeps only the first
  std::uint64_t bytes_, part_bytes_;
  Head* head_ = nullptr;  ///< the first page; the data follow
};

/// The calls that a shared block needs.
enum class HostMemoryStep { create, open };
/// For tests: `fault` is called before each step and returns the errno with which it fails, or 0 to let it run. An
/// empty function removes the fault. Set and remove it while no other thread makes or opens blocks.
void inject_host_memory_faults(std::function<int(HostMemoryStep)> fault);

}  // namespace wf
