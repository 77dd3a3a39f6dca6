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
#include "base/file_steps.hpp"
#include "base/shared_disk.hpp"

namespace wf {
namespace {

std::function<int(FileStep, const Path&)> fault_of_test;

Path part_beside(const Path& path) { return path.string() + ".part"; }

}  // namespace

namespace file_steps {

void fail(Error::Kind kind, const Path& path, const std::string& what, int error) {
  throw Error(kind, path.string() + ": " + what + ": " + std::strerror(error));
}

int injected_fault(FileStep which, const Path& path) { return fault_of_test ? fault_of_test(which, path) : 0; }

int create(const Path& path) {
  return step(FileStep::open, path, "cannot be created",
              [&] { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666); });
}

int open_part(const Path& part) {
  const int fd = ::open(part.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(Error::storage, part, "cannot be opened", errno);
  return fd;
}

int open_folder(const Path& folder) {
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail(Error::storage, folder, "the folder cannot be opened", errno);
  return fd;
}

void write_all(int fd, const Path& path, std::string_view content) {
  while (!content.empty()) {
    const auto written =
        step(FileStep::write, path, "cannot be written", [&] { return ::write(fd, content.data(), content.size()); });
    content.remove_prefix(static_cast<std::size_t>(written));
  }
}

void flush_content(int fd, const Path& path) {
  step(FileStep::flush, path, "cannot be flushed", [&] { return ::fsync(fd); });
}

void rename_part(const Path& part, const Path& final_name) {
  step(FileStep::rename, final_name, "cannot be given its name",
       [&] { return ::rename(part.c_str(), final_name.c_str()); });
}

void flush_folder(int fd, const Path& folder) {
  step(FileStep::flush_folder, folder, "the folder cannot be flushed", [&] { return ::fsync(fd); });
}

std::string_view read_block(int fd, Error::Kind kind, const Path& path, std::vector<char>& block) {
  const ssize_t count = ::read(fd, block.data(), block.size());
  if (count < 0) fail(kind, path, "cannot be read", errno);
  return {block.data(), static_cast<std::size_t>(count)};
}

}  // namespace file_steps

using namespace file_steps;

void inject_file_faults(std::function<int(FileStep, const Path&)> fault) { fault_of_test = std::move(fault); }

std::string read_file(const Path& path) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) fail(Error::input, path, "cannot be opened", errno);
  std::string content;
  for_each_block(fd.get(), Error::input, path, [&](std::string_view block) { content += block; });
  return content;
}

void write_file(const Path& path, std::string_view content) {
  FlushedFolder folder(path.parent_path());
  write_file(path, content, part_beside(path), folder);
}

void replace_file(const Path& path, std::string_view content) { replace_file(path, content, part_beside(path)); }

void replace_file(const Path& path, std::string_view content, const Path& part) {
  write_part(part, content, [&](int) { rename_part(part, path); });
}

void publish_file(const Path& part, const Path& final_name) {
  flush_content(Descriptor(open_part(part)).get(), part);
  rename_part(part, final_name);
  const Path folder = final_name.parent_path();
  flush_folder(Descriptor(open_folder(folder)).get(), folder);
}

PartFile::PartFile(const Path& path) : path_(path), part_(part_beside(path)), fd_(create(part_)) {}

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
  const Path folder = path.parent_path();
  flush_folder(Descriptor(open_folder(folder)).get(), folder);
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
