// pipeline/weights/block_checksums.hpp: what a file of converted weights is checked by. It is a .safetensors file with
// one tensor more, `checksums` [n] I32: the CRC-32C of each block of every other tensor, in byte order of their names;
// then that of the header, and that of all checksums before it. So no bit of the file can change unnoticed.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "pipeline/weights/tensor_file.hpp"

namespace wf {

/// Bytes of a block; the last one of a tensor may be shorter.
inline constexpr std::uint64_t block_bytes = 4096;
/// The name of the tensor of checksums.
inline constexpr const char* checksums_name = "checksums";

/// The blocks of a tensor of so many bytes.
constexpr std::uint64_t block_count(std::uint64_t bytes) { return (bytes + block_bytes - 1) / block_bytes; }

/// The checksum of each block of a tensor.
std::vector<std::uint32_t> checksums_of(std::span<const std::byte> tensor);

/// The whole of the tensor `checksums`. of_tensors: those of each tensor, by name. header: the file's first bytes, up
/// to the data.
std::vector<std::uint32_t> all_checksums(const std::map<std::string, std::vector<std::uint32_t>>& of_tensors,
                                         std::string_view header);

/// The checksums that a file has.
class BlockChecksums {
 public:
  /// Reads them. Throws environment, "FILE: ...", when the header or the checksums are not those that were written, and
  /// what read_safetensors_index() throws, as for a file that was cut.
  explicit BlockChecksums(const MappedFile& file);

  /// Whether these are the bytes of a tensor that were written. They begin at its offset `at`, a multiple of
  /// block_bytes, and end with a block. Safe from several threads.
  bool match(const TensorEntry& entry, std::uint64_t at, std::span<const std::byte> bytes) const noexcept;

  /// The first tensor of which a byte is not the one that was written, in byte order of the names; "": there is none.
  /// Reads the whole file, which must be the one of the constructor.
  std::string first_damaged(const MappedFile& file) const;

 private:
  TensorIndex index_;                             ///< without the checksums themselves
  std::map<std::uint64_t, std::uint64_t> first_;  ///< the place of a tensor's first checksum, by its offset in the file
  std::vector<std::uint32_t> checksums_;
};

}  // namespace wf
