#include "base/shared_disk.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"
#include "base/file_steps.hpp"
#include "base/sha256.hpp"

namespace wf {
namespace {

using namespace file_steps;

/// Makes a FileDigest of bytes that come in blocks.
class Digesting {
 public:
  void add(std::string_view block) {
    hash_.update(block);
    bytes_ += block.size();
  }
  FileDigest digest() { return {bytes_, hash_.hex()}; }

 private:
  Sha256 hash_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

void FlushedFolder::flush() {
  const std::lock_guard lock(mutex_);
  if (!fd_) fd_.emplace(open_folder(path_));
  flush_folder(fd_->get(), path_);
}

void write_file(const Path& path, std::string_view content, const Path& part, FlushedFolder& folder) {
  write_part(part, content, [&](int fd) {
    flush_content(fd, part);
    rename_part(part, path);
    folder.flush();
  });
}

void write_in_place(const Path& path, std::string_view content) {
  write_part(path, content, [](int) {});
}

FileDigest name_file(const Path& part, const Path& final_name) {
  const Descriptor fd(open_part(part));
  Digesting digesting;
  for_each_block(fd.get(), Error::storage, part, [&](std::string_view block) { digesting.add(block); });
  flush_content(fd.get(), part);
  rename_part(part, final_name);
  return digesting.digest();
}

ScratchFile::ScratchFile(const Path& folder)
    : fd_(step(FileStep::open, folder, "no file can be made in it",
               [&] { return ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); })) {}

FileDigest ScratchFile::copy_to(const Path& part, const Path& final_name) const {
  if (::lseek(fd_.get(), 0, SEEK_SET) != 0) fail(Error::storage, path(), "cannot be read", errno);
  const Descriptor copy(create(part));
  Digesting digesting;
  for_each_block(fd_.get(), Error::storage, path(), [&](std::string_view block) {
    digesting.add(block);
    write_all(copy.get(), part, block);
  });
  flush_content(copy.get(), part);
  rename_part(part, final_name);
  return digesting.digest();
}

std::unordered_set<std::string> names_in(const Path& folder) {
  std::unordered_set<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    names.insert(entry->path().filename().string());
  return names;
}

}  // namespace wf
