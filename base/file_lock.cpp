#include "base/file_lock.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>

#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "base/machine.hpp"

namespace wf {
namespace {

std::function<int(LockStep)> injected_fault;

/// Runs one step unless a test injects a fault. Returns the errno of either; 0: it succeeded.
template <class Call>
int error_of(LockStep which, const Call& call) {
  if (injected_fault)
    if (const int error = injected_fault(which)) return error;
  return call() < 0 ? errno : 0;
}

[[noreturn]] void fail(Error::Kind kind, const Path& path, const std::string& what, int error) {
  throw Error(kind, path.string() + ": " + what + ": " + std::strerror(error));
}

/// What a holder writes: a line for people, and one for has_ended().
std::string own_text() {
  return "process " + std::to_string(::getpid()) + " on " + host_name() + "\n" + process_identity() + "\n";
}

/// The lines of such a text. The text of a process that is just writing it may be empty.
struct Holder {
  std::string name, identity;
  explicit Holder(const std::string& text) {
    std::istringstream lines(text);
    std::getline(lines, name);
    std::getline(lines, identity);
    if (name.empty()) name = "a process that has not written its name";
  }
};

[[noreturn]] void refuse(const Path& path, const std::string& holder_text, const std::string& more_advice = "") {
  throw Error(Error::environment, path.string() + ": another run holds this folder (" + Holder(holder_text).name +
                                      "); wait for it, stop it, or give another --output" + more_advice);
}

void write_own_text(int fd, const Path& path) {
  const std::string text = own_text();
  const int error = error_of(LockStep::write, [&]() -> ssize_t {
    return ::ftruncate(fd, 0) != 0 ? -1 : ::pwrite(fd, text.data(), text.size(), 0);
  });
  if (error != 0) fail(Error::storage, path, "cannot be written", error);
}

// ---- Locks of the kernel

/// Whether the error of a lock says that the file system has no such locks.
bool is_unsupported(int error) { return error == ENOSYS || error == EOPNOTSUPP || error == ENOLCK; }
bool is_taken(int error) { return error == EWOULDBLOCK || error == EACCES; }

int flock_error(int fd) {
  return error_of(LockStep::flock, [fd] { return ::flock(fd, LOCK_EX | LOCK_NB); });
}

/// A lock of the open file, unlike the older locks of fcntl(), which end when any descriptor of the file is closed.
int record_lock_error(int fd) {
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  return error_of(LockStep::record_lock, [&] { return ::fcntl(fd, F_OFD_SETLK, &whole); });
}

/// Locks an open file. False when the file system has no locks. Throws when the lock is taken.
bool lock(int fd, const Path& path) {
  int error = flock_error(fd);
  if (is_unsupported(error)) error = record_lock_error(fd);
  if (is_taken(error)) refuse(path, read_file(path));
  if (error != 0 && !is_unsupported(error)) fail(Error::environment, path, "cannot be locked", error);
  return error == 0;
}

// ---- A file as the lock

/// Creates a file that must not exist yet, with this process's text. False when it exists.
bool create_file(const Path& path) {
  const Descriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (fd.get() < 0 && errno == EEXIST) return false;
  if (fd.get() < 0) fail(Error::storage, path, "cannot be created", errno);
  try {
    write_own_text(fd.get(), path);
  } catch (...) {
    ::unlink(path.c_str());
    throw;
  }
  return true;
}

/// What a holder has written; empty when its file has gone meanwhile.
std::string text_of(const Path& path) {
  try {
    return read_file(path);
  } catch (const Error&) {
    return "";
  }
}

/// Replaces the file of a holder that has ended. `next` exists while one process does so: the others refuse meanwhile,
/// so the file that is renamed over is still the one that was looked at.
void take_over(const Path& file, const std::string& ended, const Path& path) {
  const Path next = file.string() + ".next";
  if (!create_file(next)) refuse(path, text_of(next), ", or remove " + next.string() + " when it has ended");
  const bool same = text_of(file) == ended;
  if (same && ::rename(next.c_str(), file.c_str()) == 0) return;
  const int error = errno;
  ::unlink(next.c_str());
  if (!same) refuse(path, text_of(file));
  fail(Error::storage, file, "cannot be replaced", error);
}

/// Makes the file that stands for the lock, and returns its name.
Path hold_by_file(const Path& path) {
  const Path file = path.string() + ".holder";
  if (!create_file(file)) {
    const std::string text = text_of(file);
    if (!has_ended(Holder(text).identity)) refuse(path, text, ", or remove " + file.string() + " when it has ended");
    take_over(file, text, path);
  }
  spdlog::warn("{}: the file system has no locks; {} stands for one, and stays behind if this process is killed",
               path.string(), file.string());
  return file;
}

}  // namespace

/// What the destructor gives back.
struct FileLock::Held {
  explicit Held(const Path& path) : fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
    if (fd.get() < 0) fail(Error::storage, path, "cannot be created", errno);
    if (lock(fd.get(), path))
      write_own_text(fd.get(), path);
    else
      file = hold_by_file(path);
  }
  ~Held() {
    if (!file.empty()) ::unlink(file.c_str());
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  Descriptor fd;
  Path file;  ///< the file that stands for the lock; empty: the kernel locks `fd`
};

FileLock::FileLock(const Path& path) : held_(std::make_unique<Held>(path)) {}
FileLock::~FileLock() = default;

ReadLock::ReadLock(const Path& path) noexcept : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (fd_.get() >= 0) ::flock(fd_.get(), LOCK_SH | LOCK_NB);
}

bool is_being_read(const Path& path) noexcept {
  // NFS grants an exclusive lock only to who may write.
  const Descriptor fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  return fd.get() >= 0 && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && is_taken(errno);
}

void inject_lock_faults(std::function<int(LockStep)> fault) { injected_fault = std::move(fault); }

}  // namespace wf
