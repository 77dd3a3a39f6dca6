// base/files.hpp: the only layer that writes files. A file bears its final name only when it is complete: write
// NAME.part, fsync it, rename it, fsync the folder. Every failure is an Error whose message begins with the path and
// ends with the system's reason. All functions may be called from several threads, on different files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/descriptor.hpp"

namespace wf {

using Path = std::filesystem::path;

/// The bytes of a whole file. Throws input when it cannot be opened or read.
std::string read_file(const Path& path);

/// Replaces `path` atomically: at any moment, also after a crash, it is the old file or the new one, never a part.
/// Throws storage and removes the .part file; unless flushing the folder is what failed, the old file is untouched.
void write_file(const Path& path, std::string_view content);

/// Replaces `path` atomically, like write_file(), but leaves it to the system when the content reaches the disk: for
/// what is written again soon anyway, such as a status. After a crash of the node the file may be empty.
void replace_file(const Path& path, std::string_view content);
/// The same, with a work file of that name on the same file system instead of PATH.part.
void replace_file(const Path& path, std::string_view content, const Path& part);

/// Flushes the complete file `part` to disk, renames it to `final_name` on the same file system and flushes the folder.
/// Throws storage; if the rename has not happened, `part` is still there.
void publish_file(const Path& part, const Path& final_name);

/// Creates the folder and its parents; an existing folder is fine. Throws storage when that fails, input when a file of
/// that name is in the way.
void make_folder(const Path& folder);

/// Whether the file ends within a line, as after the death of a process that was writing one. False for a file that is
/// empty, or cannot be read.
bool ends_in_a_line(const Path& path);

/// A file that grows at its end, such as a journal. append() and flush() may be called at the same time.
class AppendFile {
 public:
  /// Opens the file, or creates it, which is durable on return. Throws storage.
  explicit AppendFile(const Path& path);
  /// Hands the content to the system at once, which survives the death of this process. Throws storage: then all,
  /// nothing or any part at the beginning of the content may be in the file.
  void append(std::string_view content);
  /// Returns when everything appended before is on the disk. Throws storage, also when the file has been removed. After
  /// a failure the system may have forgotten what it could not write, and a later flush would not tell: open the file
  /// again, and append what had not been flushed once more.
  void flush();

 private:
  Path path_;
  Descriptor fd_;
};

/// A file that is written under the name PATH.part, in any order, until it is complete. For one thread at a time.
class PartFile {
 public:
  /// Creates PATH.part, in place of one that a killed process left. Throws storage.
  explicit PartFile(const Path& path);
  ~PartFile();  ///< Removes PATH.part, unless publish() has given it its name.
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  /// Writes the bytes at this offset; what lies before it may be written later. Throws storage.
  void write(std::uint64_t offset, std::string_view bytes);
  /// Returns when what was written is on the disk, so that publish() has less to wait for. Throws storage.
  void flush();
  /// As publish_file(). Throws storage.
  void publish();

 private:
  Path path_, part_;
  Descriptor fd_;
  bool published_ = false;
};

/// A file mapped read-only; a page is read from disk when it is first touched.
class MappedFile {
 public:
  /// Throws environment when `path` cannot be opened or mapped, or is not a regular file.
  explicit MappedFile(const Path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  /// The mapped bytes, valid as long as this object. Empty for an empty file.
  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  /// The same bytes as text.
  std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }
  const Path& path() const noexcept { return path_; }
  /// Copies into.size() bytes from `offset` (in bytes) with pread(). For bulk data this is two to four times as fast as
  /// touching mapped pages, each of which costs a fault and stays in the process's memory. Throws environment when the
  /// bytes cannot be read, also because the file was truncated meanwhile. Safe from several threads.
  void read(std::uint64_t offset, std::span<std::byte> into) const;
  /// Lets the system begin to read these bytes from the disk, so that read() finds them in memory.
  void read_ahead(std::uint64_t offset, std::uint64_t bytes) const noexcept;

 private:
  Path path_;
  int fd_ = -1;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The steps of writing and publishing a file, in their order.
enum class FileStep { open, write, flush, rename, flush_folder };
/// For tests: `fault` is called before each step and returns the errno with which the step fails, or 0 to let it run.
/// An empty function removes the fault. Set and remove it while no other thread writes files.
void inject_file_faults(std::function<int(FileStep, const Path&)> fault);

}  // namespace wf
