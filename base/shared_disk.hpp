// base/shared_disk.hpp: files on a disk that many nodes share, in as few operations as is safe: each one there is a
// question to a server, which all jobs of a cluster wait for. What base/files.hpp says of errors and of names holds
// here, too.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/descriptor.hpp"
#include "base/files.hpp"

namespace wf {

/// A folder that is flushed again and again, and so is kept open from the first time on. Any thread may call flush().
class FlushedFolder {
 public:
  explicit FlushedFolder(Path path) : path_(std::move(path)) {}
  /// Returns when the names of its files are on the disk. Throws storage.
  void flush();

 private:
  const Path path_;
  std::mutex mutex_;
  std::optional<Descriptor> fd_;
};

/// Replaces `path`, a file of this folder, like write_file(), by way of the work file `part` on the same file system.
void write_file(const Path& path, std::string_view content, const Path& part, FlushedFolder& folder);

/// Writes the file under its final name at once: for what nothing reads before something that is written later says
/// that it is there. Leaves it to the system when the content reaches the disk. Throws storage and removes the file.
void write_in_place(const Path& path, std::string_view content);

/// What is in a file.
struct FileDigest {
  std::uint64_t bytes = 0;  ///< its size
  std::string sha256;
};
/// As publish_file(), but leaves it to the caller to flush the folder. The bytes are read on the way.
FileDigest name_file(const Path& part, const Path& final_name);

/// A file without a name, on another disk, such as one of this node alone. It leaves nothing behind however this
/// process ends.
class ScratchFile {
 public:
  /// In that folder. Throws storage.
  explicit ScratchFile(const Path& folder);
  /// A path by which this process, and no other, opens the file.
  Path path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }
  /// Copies the file to `part`, flushes that, and renames it, but leaves it to the caller to flush the folder. Throws
  /// storage; if the rename has not happened, `part` may be there.
  FileDigest copy_to(const Path& part, const Path& final_name) const;

 private:
  Descriptor fd_;
};

/// The names of all that lies in the folder; none when it cannot be read. One look at a folder costs less than one for
/// each of its files.
std::unordered_set<std::string> names_in(const Path& folder);

}  // namespace wf
