#include "tests/launcher/run/failing_disk.hpp"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace wf::test {
namespace {

std::atomic<bool> is_breaking = false;
std::mutex mutex;
std::string watched;
std::function<int(const DiskStep&)> fault;
long steps = 0;
thread_local bool is_asking = false;  ///< the fault itself may use the disk

/// True when the step has to fail; errno then says why.
bool fails(const char* call, const std::string& path, bool needs_room = true) {
  if (!is_breaking || is_asking || !path.starts_with(watched)) return false;
  is_asking = true;
  int error = 0;
  {
    const std::lock_guard lock(mutex);
    error = fault({++steps, call, path, needs_room});
  }
  is_asking = false;
  errno = error;
  return error != 0;
}

std::string path_of(int fd) {
  char path[PATH_MAX];
  const ssize_t size = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
  return size > 0 ? std::string(path, static_cast<std::size_t>(size)) : "";
}

bool fails(const char* call, int fd, bool needs_room = true) {
  if (!is_breaking) return false;
  const int before = errno;
  const std::string path = path_of(fd);
  errno = before;
  return fails(call, path, needs_room);
}

bool exists(const char* path) { return ::access(path, F_OK) == 0; }

int open_unless_broken(int folder, const char* path, int flags, mode_t mode) {
  const bool changes = (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_ACCMODE) != O_RDONLY;
  if (changes && fails("open", std::string(path), !exists(path))) return -1;
  return static_cast<int>(::syscall(SYS_openat, folder, path, flags, mode));
}

mode_t mode_of(int flags, std::va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

/// What fopencookie() calls. The C library's own streams would not call the write() of this program.
ssize_t write_cookie(void* fd, const char* data, size_t size) {
  const ssize_t written = ::write(static_cast<int>(reinterpret_cast<intptr_t>(fd)), data, size);
  return written < 0 ? 0 : written;
}
int close_cookie(void* fd) { return ::close(static_cast<int>(reinterpret_cast<intptr_t>(fd))); }

FILE* open_stream(const char* path, const char* mode) {
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (mode[0] == 'a' ? O_APPEND : O_TRUNC);
  const int fd = open_unless_broken(AT_FDCWD, path, flags, 0666);
  if (fd < 0) return nullptr;
  FILE* const file = ::fopencookie(reinterpret_cast<void*>(static_cast<intptr_t>(fd)), mode,
                                   {.read = nullptr, .write = write_cookie, .seek = nullptr, .close = close_cookie});
  file->_fileno = fd;  // the C++ library opens its streams here, too, but writes to what fileno() returns
  return file;
}

/// Opened to be read, a stream changes nothing.
FILE* open_stream_to_read(const char* path, const char* mode) {
  const int fd = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0));
  return fd < 0 ? nullptr : ::fdopen(fd, mode);
}

}  // namespace

void break_disk(const std::string& folder, std::function<int(const DiskStep&)> with) {
  watched = folder;
  fault = std::move(with);
  is_breaking = true;
}

}  // namespace wf::test

// ---- The calls of the C library that change something on a disk

using namespace wf::test;  // NOLINT: below are functions of the C library

extern "C" {

int open(const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_unless_broken(AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_unless_broken(folder, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_unless_broken(AT_FDCWD, path, flags, mode);
}
FILE* fopen(const char* path, const char* mode) {
  return std::strpbrk(mode, "wa") ? open_stream(path, mode) : open_stream_to_read(path, mode);
}
FILE* fopen64(const char* path, const char* mode) { return fopen(path, mode); }

ssize_t write(int fd, const void* data, size_t size) {
  return fails("write", fd) ? -1 : ::syscall(SYS_write, fd, data, size);
}
ssize_t writev(int fd, const iovec* parts, int count) {
  return fails("writev", fd) ? -1 : ::syscall(SYS_writev, fd, parts, count);
}
ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return fails("pwrite", fd) ? -1 : ::syscall(SYS_pwrite64, fd, data, size, offset);
}
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) { return pwrite(fd, data, size, offset); }
int ftruncate(int fd, off_t size) noexcept {
  return fails("ftruncate", fd) ? -1 : static_cast<int>(::syscall(SYS_ftruncate, fd, size));
}
int ftruncate64(int fd, off64_t size) noexcept { return ftruncate(fd, size); }
int fsync(int fd) { return fails("fsync", fd) ? -1 : static_cast<int>(::syscall(SYS_fsync, fd)); }
int fdatasync(int fd) { return fails("fdatasync", fd) ? -1 : static_cast<int>(::syscall(SYS_fdatasync, fd)); }

int rename(const char* from, const char* to) noexcept {
  return fails("rename", std::string(to), false) ? -1 : static_cast<int>(::syscall(SYS_rename, from, to));
}
int mkdir(const char* path, mode_t mode) noexcept {
  if (!exists(path) && fails("mkdir", std::string(path))) return -1;
  return static_cast<int>(::syscall(SYS_mkdir, path, mode));
}
int link(const char* from, const char* to) noexcept {
  return fails("link", std::string(to)) ? -1 : static_cast<int>(::syscall(SYS_link, from, to));
}
int unlink(const char* path) noexcept {
  if (exists(path) && fails("unlink", std::string(path), false)) return -1;
  return static_cast<int>(::syscall(SYS_unlink, path));
}
int unlinkat(int folder, const char* path, int flags) noexcept {
  if (fails("unlinkat", path_of(folder) + "/" + path, false)) return -1;
  return static_cast<int>(::syscall(SYS_unlinkat, folder, path, flags));
}
int remove(const char* path) noexcept {
  struct stat status {};
  if (::lstat(path, &status) != 0) return -1;
  if (fails("remove", std::string(path), false)) return -1;
  return static_cast<int>(::syscall(S_ISDIR(status.st_mode) ? SYS_rmdir : SYS_unlink, path));
}

}  // extern "C"
