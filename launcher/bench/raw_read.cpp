#include "launcher/bench/raw_read.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>

#include "base/error.hpp"

namespace wf {
namespace {

constexpr std::uint64_t piece_bytes = 8 << 20, alignment = 4096;
constexpr int threads = 8;

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

Descriptor open_directly(const Path& file) {
  const int direct = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  return Descriptor(direct >= 0 ? direct : ::open(file.c_str(), O_RDONLY | O_CLOEXEC));
}

/// Reads pieces of one file until none is left.
void read_pieces(int fd, const Path& file, std::atomic<std::uint64_t>& next, std::uint64_t bytes) {
  const std::unique_ptr<void, Free> buffer(std::aligned_alloc(alignment, piece_bytes));
  for (std::uint64_t at = next.fetch_add(piece_bytes); at < bytes; at = next.fetch_add(piece_bytes)) {
    // A short read is the end of the file, or of what one call reads: either is enough for a measurement.
    if (::pread(fd, buffer.get(), piece_bytes, static_cast<off_t>(at)) < 0)
      throw Error(Error::environment, file.string() + ": cannot be read: " + std::strerror(errno));
  }
}

void read_whole(const Path& file) {
  const Descriptor fd = open_directly(file);
  const std::uint64_t bytes = std::filesystem::file_size(file);
  std::atomic<std::uint64_t> next = 0;
  std::vector<std::future<void>> readers;
  for (int i = 0; i < threads; ++i)
    readers.push_back(std::async(std::launch::async, [&] { read_pieces(fd.get(), file, next, bytes); }));
  for (std::future<void>& reader : readers) reader.get();
}

}  // namespace

std::uint64_t bytes_of(const std::vector<Path>& files) {
  std::uint64_t bytes = 0;
  for (const Path& file : files) bytes += std::filesystem::file_size(file);
  return bytes;
}

void drop_from_page_cache(const std::vector<Path>& files) {
  for (const Path& file : files) {
    const Descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() >= 0) ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  }
}

double raw_read_seconds(const std::vector<Path>& files) {
  drop_from_page_cache(files);
  const auto begin = std::chrono::steady_clock::now();
  for (const Path& file : files) read_whole(file);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace wf
