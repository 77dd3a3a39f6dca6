// base/file_lock.hpp: a lock on a file that all nodes see, which at most one process of a run's folder holds.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/descriptor.hpp"
#include "base/files.hpp"

namespace wf {

/// An exclusive lock on a file, held until the object is destroyed or the process ends, however it ends. It is the
/// first of these that the file system supports, which is the same on all nodes that mount it in the same way:
///   1. flock();
///   2. an open file description lock of fcntl();
///   3. the existence of the file `path`.holder (Lustre mounted with `noflock` has neither lock). A process that is
///      killed leaves that file behind. The next one on the same machine sees that its holder has ended, and takes
///      over; one on another machine cannot see it, and says which file to remove. A warning in the log says so.
class FileLock {
 public:
  /// Creates the file if needed, and writes into it which process has the lock. Never waits: throws environment, naming
  /// the process and its host, when the lock is taken, or when the file cannot be locked at all; storage when the file
  /// cannot be created or written. Nothing stays locked after a failure.
  explicit FileLock(const Path& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  struct Held;
  std::unique_ptr<Held> held_;
};

/// Says that this process reads a file, until the object is destroyed or the process ends; any number of processes may
/// do so at once. By flock(): where the file system has none, nobody sees it.
class ReadLock {
 public:
  /// Never throws: a file that cannot be opened or locked is read without.
  explicit ReadLock(const Path& path) noexcept;

 private:
  Descriptor fd_;
};

/// Whether someone holds a ReadLock on the file.
bool is_being_read(const Path& path) noexcept;

/// The calls with which a lock is taken, in their order.
enum class LockStep { flock, record_lock, write };
/// For tests: `fault` is called before each step and returns the errno with which the step fails, or 0 to let it run.
/// An empty function removes the fault. Set and remove it while no other thread takes locks.
void inject_lock_faults(std::function<int(LockStep)> fault);

}  // namespace wf
