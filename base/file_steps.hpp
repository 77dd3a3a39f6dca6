// base/file_steps.hpp: the single steps of writing a file, for files.cpp and shared_disk.cpp alone. Each passes the
// fault that a test may have injected, and throws as files.hpp says.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"

namespace wf::file_steps {

/// Throws "PATH: WHAT: the system's words for the errno".
[[noreturn]] void fail(Error::Kind kind, const Path& path, const std::string& what, int error);

/// The errno that a test injects into this step; 0: none.
int injected_fault(FileStep which, const Path& path);

/// Runs one step of a write unless a test injects a fault. Throws storage when either fails.
template <class Call>
auto step(FileStep which, const Path& path, const std::string& what, Call&& call) {
  if (const int error = injected_fault(which, path)) fail(Error::storage, path, what, error);
  const auto result = call();
  if (result < 0) fail(Error::storage, path, what, errno);
  return result;
}

/// New descriptors: of a new, empty file; of the complete work file; of a folder.
int create(const Path& path);
int open_part(const Path& part);
int open_folder(const Path& folder);

void write_all(int fd, const Path& path, std::string_view content);
void flush_content(int fd, const Path& path);
void rename_part(const Path& part, const Path& final_name);
void flush_folder(int fd, const Path& folder);

/// Reads up to that many bytes; empty at the end of the file.
std::string_view read_block(int fd, Error::Kind kind, const Path& path, std::vector<char>& block);

/// Writes `part` and calls publish(its descriptor), which gives it its name. Removes it when either fails.
template <class Publish>
void write_part(const Path& part, std::string_view content, Publish&& publish) {
  try {
    const Descriptor fd(create(part));
    write_all(fd.get(), part, content);
    publish(fd.get());
  } catch (...) {
    ::unlink(part.c_str());
    throw;
  }
}

/// Calls take(bytes) for one block of the file after the other.
template <class Take>
void for_each_block(int fd, Error::Kind kind, const Path& path, const Take& take) {
  std::vector<char> block(std::size_t{1} << 16);
  for (std::string_view bytes; !(bytes = read_block(fd, kind, path, block)).empty();) take(bytes);
}

}  // namespace wf::file_steps
