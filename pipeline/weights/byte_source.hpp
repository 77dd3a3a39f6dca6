// pipeline/weights/byte_source.hpp: where the bytes of checkpoint files come from: read by this process alone, or
// together with other ranks of its machine, so that each byte is read once.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>

#include "pipeline/weights/tensor_file.hpp"

namespace wf {

class NodeReader;

class ByteSource {
 public:
  /// together: outlives this. All its ranks then visit the same entries in the same order, each on one thread.
  explicit ByteSource(NodeReader* together = nullptr) : together_(together) {}

  /// A part of an entry's bytes, beginning at a multiple of 8.
  struct Stretch {
    std::uint64_t begin, size;
    /// Copies bytes from `at`, counted from the stretch's begin. From several threads at once is fine.
    std::function<void(std::uint64_t at, std::span<std::byte> into)> copy;
  };
  /// Calls use() for stretches that make up the entry, in order. Throws environment when the file cannot be read, and
  /// what NodeReader::share() throws.
  void visit(const MappedFile& file, const TensorEntry& entry, const std::function<void(const Stretch&)>& use);

  /// Bytes of files that this process read; the others came from other ranks.
  std::uint64_t bytes_read() const noexcept { return bytes_read_; }

 private:
  void read(const MappedFile& file, std::uint64_t offset, std::span<std::byte> into);

  NodeReader* together_;
  std::atomic<std::uint64_t> bytes_read_ = 0;
};

}  // namespace wf
