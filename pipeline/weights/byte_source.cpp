#include "pipeline/weights/byte_source.hpp"

#include <cstring>

#include "parallel/node_reader.hpp"
#include "pipeline/weights/chunks.hpp"

namespace wf {

void ByteSource::read(const MappedFile& file, std::uint64_t offset, std::span<std::byte> into) {
  file.read(offset, into);
  bytes_read_ += into.size();
}

void ByteSource::visit(const MappedFile& file, const TensorEntry& entry, const std::function<void(const Chunk&)>& use) {
  if (!node_reader_)
    return use(
        {0, entry.bytes, [&](std::uint64_t at, std::span<std::byte> into) { read(file, entry.offset + at, into); }});
  node_reader_->share(
      file.path().string() + ", byte " + std::to_string(entry.offset), entry.bytes,
      [&](std::uint64_t begin, std::span<std::byte> into) {
        for_each_chunk(into.size(), 1 << 20, [&](std::uint64_t at, std::uint64_t size) {
          read(file, entry.offset + begin + at, into.subspan(at, size));
        });
      },
      [&](std::uint64_t begin, std::span<const std::byte> bytes) {
        use({begin, bytes.size(), [bytes](std::uint64_t at, std::span<std::byte> into) {
               std::memcpy(into.data(), bytes.data() + at, into.size());
             }});
      });
}

}  // namespace wf
