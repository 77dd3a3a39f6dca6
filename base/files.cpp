#include "base/files.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/descriptor.hpp"
#include "base/error.hpp"

namespace wf {
namespace {

std::function<int(FileStep, const Path&)> injected_fault;

[[noreturn]] void fail(Error::Kind kind, const Path& path, const std::string& what, int error) {
  throw Error(kind, path.string() + ": " + what + ": " + std::strerror(error));
}

/// Runs one step of a write unless a test injects a fault. Throws storage when either fails.
template <class Call>
auto step(FileStep which, const Path& path, const std::string& what, Call&& call) {
  if (injected_fault) {
    if (const int error = injected_fault(which, path)) fail(Error::storage, path, what, error);
  }
  const auto result = call();
  if (result < 0) fail(Error::storage, path, what, errno);
  return result;
}

void write_all(int fd, const Path& path, std::string_view content) {
  while (!content.empty()) {
    const auto written =
        step(FileStep::write, path, "cannot be written", [&] { return ::write(fd, content.data(), content.size()); });
    content.remove_prefix(static_cast<std::size_t>(written));
  }
}

void rename_part(const Path& part, const Path& final_name) {
  step(FileStep::rename, final_name, "cannot be given its name",
       [&] { return ::rename(part.c_str(), final_name.c_str()); });
}

Path part_beside(const Path& path) { return path.string() + ".part"; }

/// Writes `part` and lets `publish` give it its name. Removes it when either fails.
template <class Publish>
void write_part(const Path& part, std::string_view content, Publish&& publish) {
  try {
    const Descriptor fd(step(FileStep::open, part, "cannot be created",
                             [&] { return ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666); }));
    write_all(fd.get(), part, content);
    publish();
  } catch (...) {
    ::unlink(part.c_str());
    throw;
  }
}

void flush_folder(const Path& folder) {
  const Descriptor fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) fail(Error::storage, folder, "the folder cannot be opened", errno);
  step(FileStep::flush_folder, folder, "the folder cannot be flushed", [&] { return ::fsync(fd.get()); });
}

}  // namespace

void inject_file_faults(std::function<int(FileStep, const Path&)> fault) { injected_fault = std::move(fault); }

std::string read_file(const Path& path) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) fail(Error::input, path, "cannot be opened", errno);
  std::string content;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0) fail(Error::input, path, "cannot be read", errno);
    if (count == 0) return content;
    content.append(buffer, static_cast<std::size_t>(count));
  }
}

void write_file(const Path& path, std::string_view content) {
  const Path part = part_beside(path);
  write_part(part, content, [&] { publish_file(part, path); });
}

void replace_file(const Path& path, std::string_view content) { replace_file(path, content, part_beside(path)); }

void replace_file(const Path& path, std::string_view content, const Path& part) {
  write_part(part, content, [&] { rename_part(part, path); });
}

void publish_file(const Path& part, const Path& final_name) {
  const Descriptor fd(::open(part.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) fail(Error::storage, part, "cannot be opened", errno);
  step(FileStep::flush, part, "cannot be flushed", [&] { return ::fsync(fd.get()); });
  rename_part(part, final_name);
  flush_folder(final_name.parent_path());
}

PartFile::PartFile(const Path& path)
    : path_(path), part_(part_beside(path)), fd_(step(FileStep::open, part_, "cannot be created", [&] {
        return ::open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
      })) {}

PartFile::~PartFile() {
  if (!published_) ::unlink(part_.c_str());
}

void PartFile::write(std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = step(FileStep::write, part_, "cannot be written", [&] {
      return ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    });
    offset += static_cast<std::uint64_t>(written);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void PartFile::flush() {
  step(FileStep::flush, part_, "cannot be flushed", [&] { return ::fdatasync(fd_.get()); });
}

void PartFile::publish() {
  publish_file(part_, path_);
  published_ = true;
}

bool ends_in_a_line(const Path& path) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char last = '\n';
  return ::lseek(fd.get(), -1, SEEK_END) >= 0 && ::read(fd.get(), &last, 1) == 1 && last != '\n';
}

AppendFile::AppendFile(const Path& path)
    : path_(path), fd_(step(FileStep::open, path, "cannot be opened", [&] {
        return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
      })) {
  flush_folder(path.parent_path());
}

void AppendFile::append(std::string_view content) { write_all(fd_.get(), path_, content); }

void AppendFile::flush() {
  step(FileStep::flush, path_, "cannot be flushed", [&] { return ::fdatasync(fd_.get()); });
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) fail(Error::storage, path_, "cannot be examined", errno);
  if (status.st_nlink == 0) throw Error(Error::storage, path_.string() + ": has been removed");
}

void make_folder(const Path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!std::filesystem::is_directory(folder))
    throw Error(
        std::filesystem::exists(folder) ? Error::input : Error::storage,
        folder.string() + ": cannot be made a folder: " + (error ? error.message() : "a file of that name is there"));
}

MappedFile::MappedFile(const Path& path) : path_(path) {
  // Without O_NONBLOCK the opening of a FIFO would wait for its writer, perhaps for ever.
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (fd.get() < 0) fail(Error::environment, path, "cannot be opened", errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) fail(Error::environment, path, "cannot be examined", errno);
  if (!S_ISREG(status.st_mode)) throw Error(Error::environment, path.string() + ": is not a file");
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ > 0) {
    void* const map = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (map == MAP_FAILED) fail(Error::environment, path, "cannot be mapped", errno);
    data_ = static_cast<const std::byte*>(map);
  }
  fd_ = fd.release();
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
  ::close(fd_);
}

void MappedFile::read_ahead(std::uint64_t offset, std::uint64_t bytes) const noexcept {
  ::posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(bytes), POSIX_FADV_WILLNEED);
}

void MappedFile::read(std::uint64_t offset, std::span<std::byte> into) const {
  while (!into.empty()) {
    const ssize_t count = ::pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(Error::environment, path_, "cannot be read", errno);
    if (count == 0) throw Error(Error::environment, path_.string() + ": has become shorter while it was read");
    offset += static_cast<std::uint64_t>(count);
    into = into.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace wf
