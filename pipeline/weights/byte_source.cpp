#include "pipeline/weights/byte_source.hpp"

#include <algorithm>
#include <cstring>

#include "parallel/node_reader.hpp"
#include "pipeline/weights/chunks.hpp"

namespace wf {
namespace {

/// So many bytes of an entry are on their way from the disk while those before them are used: a disk is fast when it
/// has much to do, and a few threads that wait for it one piece at a time do not give it that.
constexpr std::uint64_t ahead_bytes = 64 << 20, step_bytes = 4 << 20;

/// Called for each piece of an entry, in about ascending order; pieces begin at all multiples of step_bytes.
void read_ahead(const MappedFile& file, const TensorEntry& entry, std::uint64_t at) {
  if (at % step_bytes != 0) return;
  const std::uint64_t begin = at == 0 ? 0 : at + ahead_bytes - step_bytes;
  const std::uint64_t end = std::min(at + ahead_bytes, entry.bytes);
  if (begin < end) file.read_ahead(entry.offset + begin, end - begin);
}

}  // namespace

void ByteSource::read(const MappedFile& file, const TensorEntry& entry, std::uint64_t at, std::span<std::byte> into) {
  read_ahead(file, entry, at);
  if (read_)
    read_(file, entry, at, into);
  else
    file.read(entry.offset + at, into);
  bytes_read_ += into.size();
}

void ByteSource::visit(const MappedFile& file, const TensorEntry& entry, const std::function<void(const Chunk&)>& use) {
  if (!node_reader_)
    return use({0, entry.bytes, [&](std::uint64_t at, std::span<std::byte> into) { read(file, entry, at, into); }});
  node_reader_->share(
      file.path().string() + ", byte " + std::to_string(entry.offset), entry.bytes,
      [&](std::uint64_t begin, std::span<std::byte> into) {
        for_each_chunk(into.size(), 1 << 20, [&](std::uint64_t at, std::uint64_t size) {
          read(file, entry, begin + at, into.subspan(at, size));
        });
      },
      [&](std::uint64_t begin, std::span<const std::byte> bytes) {
        use({begin, bytes.size(), [bytes](std::uint64_t at, std::span<std::byte> into) {
               std::memcpy(into.data(), bytes.data() + at, into.size());
             }});
      });
}

}  // namespace wf
