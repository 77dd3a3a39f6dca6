// pipeline/weights/byte_source.hpp: the bytes of checkpoint files, read by this process alone or jointly with the other
// ranks of its node, so that each byte is read from disk once per node.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>

#include "pipeline/weights/tensor_file.hpp"

namespace wf {

class NodeReader;

/// Hands out the bytes of tensors and counts what was read from files.
class ByteSource {
 public:
  /// Fills `into` with the bytes of an entry from its offset `at` on, a multiple of 4096. Several threads call it.
  using Read = std::function<void(const MappedFile& file, const TensorEntry& entry, std::uint64_t at,
                                  std::span<std::byte> into)>;

  /// With a `node_reader`, which must outlive this object, all its ranks must visit the same entries in the same order,
  /// each from one thread; without one, entries may be visited from several threads. read: reads from a file and may
  /// check what it finds; empty: MappedFile::read().
  explicit ByteSource(NodeReader* node_reader = nullptr, Read read = {})
      : node_reader_(node_reader), read_(std::move(read)) {}

  /// A range of an entry's bytes; `begin`, relative to the entry, is a multiple of 8.
  struct Chunk {
    std::uint64_t begin, size;
    /// Copies into.size() bytes from `at`, relative to `begin`. Safe from several threads.
    std::function<void(std::uint64_t at, std::span<std::byte> into)> copy;
  };
  /// Calls use() for the chunks that make up the entry, in order; a chunk is valid during its call. Throws environment
  /// when the file cannot be read, and what NodeReader::share() throws.
  void visit(const MappedFile& file, const TensorEntry& entry, const std::function<void(const Chunk&)>& use);

  /// Bytes that this process has read from files; with a node reader the other ranks have read the rest.
  std::uint64_t bytes_read() const noexcept { return bytes_read_; }

 private:
  void read(const MappedFile& file, const TensorEntry& entry, std::uint64_t at, std::span<std::byte> into);

  NodeReader* node_reader_;
  Read read_;
  std::atomic<std::uint64_t> bytes_read_ = 0;
};

}  // namespace wf
