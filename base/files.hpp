// cluster/files.hpp: the one layer that writes files. A file exists under its final name only when it is complete:
// write NAME.part, flush it to the disk, rename, flush the folder. Every failure is an Error that names the path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace wf {

using Path = std::filesystem::path;

/// The whole file. Throws input when it cannot be opened, naming path and reason.
std::string read_file(const Path& path);

/// Writes `content` so that `path` is, at any moment, the old file or the new one. Throws storage; leaves no .part
/// behind.
void write_file(const Path& path, std::string_view content);

/// Flushes the complete file `part` to the disk and gives it its final name (same file system), then flushes the
/// folder. Throws storage; `part` is then still there.
void publish_file(const Path& part, const Path& final_name);

/// Creates the folder and its parents. Throws storage (or input when a file of that name stands in the way).
void make_folder(const Path& folder);

/// A file mapped read-only: its pages are read when touched. Closed and unmapped by the destructor.
class MappedFile {
 public:
  explicit MappedFile(const Path& path);  ///< throws environment when the file cannot be opened or mapped
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  const Path& path() const noexcept { return path_; }
  /// Copies the bytes from `offset` on past the map: for bulk, two to four times as fast as touching its pages, which
  /// would each cost a fault and stay in this process's memory. Throws environment when they cannot be read (also when
  /// the file has become shorter). From several threads at once is fine.
  void read(std::uint64_t offset, std::span<std::byte> into) const;

 private:
  Path path_;
  int fd_ = -1;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// An exclusive lock on a file, held until destruction or the process's end. Throws environment, naming who holds it.
class FileLock {
 public:
  explicit FileLock(const Path& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_ = -1;
};

/// The steps of a write, in order, as tests name them.
enum class FileStep { open, write, flush, rename, flush_folder };
/// Tests make a step fail by returning an errno (0: go on). Empty: nothing fails. Not for concurrent use.
void inject_file_faults(std::function<int(FileStep, const Path&)> fault);

}  // namespace wf
