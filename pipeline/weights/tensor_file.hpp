// pipeline/weights/tensor_file.hpp: the index of a checkpoint file (names, dtypes, shapes and locations of its
// tensors), parsed from untrusted bytes and checked against the file's size. No torch header; no data is read, nothing
// executed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.hpp"

namespace wf {

/// The element types of checkpoint files.
enum class DType { f64, f32, bf16, f16, f8_e4m3, f8_e5m2, i64, i32, i16, i8, u8, boolean };
/// The size of one element in bytes.
std::size_t size_of(DType type) noexcept;
/// The name of a type in safetensors: F32, BF16, F8_E4M3, ...
const char* to_string(DType type) noexcept;
/// The type with a name of safetensors; empty when the name is unknown.
std::optional<DType> dtype_named(std::string_view safetensors) noexcept;

/// Whether the type is an 8-bit float.
bool is_f8(DType type) noexcept;
/// The bytes of a tensor of this type and shape.
std::uint64_t bytes_of(DType type, const std::vector<std::int64_t>& shape) noexcept;

/// Elements that are described, not stored: mean + spread * N(0, 1), drawn by a generator with this seed.
struct RandomValues {
  std::uint64_t seed = 0;
  double mean = 0, spread = 0;
};

/// One tensor of a file. Element (i, j, ...) lies at byte offset + size_of(dtype) * (i strides[0] + j strides[1] +
/// ...). The offset need not be a multiple of the element size: copy the bytes before using them as numbers.
struct TensorEntry {
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;          ///< At most 16 dimensions; the number of elements fits an int64.
  std::vector<std::int64_t> strides;        ///< In elements, never negative; row-major in safetensors.
  std::uint64_t offset = 0;                 ///< Bytes from the start of the file to the first element.
  std::uint64_t bytes = 0;                  ///< Bytes from the first element to the end of the last; inside the file.
  std::optional<RandomValues> random = {};  ///< If set, the tensor is drawn; offset and bytes are 0.
};

/// The tensors of a file by name, in byte order of the names.
using TensorIndex = std::map<std::string, TensorEntry>;

// The readers below take the bytes of a whole file (usually mapped) and the `name` that stands for it in errors. Every
// inconsistency throws Error(environment) "NAME: what is wrong".

/// The index of a .safetensors file. Refuses: a header that is not JSON, beyond the file or over 100 MB; a name or key
/// twice; an unknown dtype; a number that is negative or not whole; a shape that overflows or disagrees with its bytes;
/// data outside the file, overlapping, or with a hole between tensors.
TensorIndex read_safetensors_index(std::span<const std::byte> file, const std::string& name);

/// The index of a .pth file, the zip that torch.save writes (stored entries, zip64 too) for a flat dict or OrderedDict
/// of tensors. The pickle in it is interpreted as data: the globals collections.OrderedDict,
/// torch._utils._rebuild_tensor_v2 and torch.*Storage are known, any other is refused by name, none is ever called.
/// Refuses malformed zips (zip.hpp) and tensors that reach beyond their storage.
TensorIndex read_pth_index(std::span<const std::byte> file, const std::string& name);

/// The index of a file of any kind: a manifest if `name` ends in .random.json (random_manifest.hpp), else safetensors
/// or zip, distinguished by content. Throws input for a pointer of Git LFS, and says what a file is that no model can
/// be read from (foreign_files.hpp).
TensorIndex read_tensor_index(std::span<const std::byte> file, const std::string& name);

/// The texts in the header of a .safetensors file (__metadata__) by key; empty where it has none.
std::map<std::string, std::string> read_safetensors_metadata(std::span<const std::byte> file, const std::string& name);

/// The same of a file of any kind that read_tensor_index() accepts; empty for all but safetensors.
std::map<std::string, std::string> read_metadata(std::span<const std::byte> file, const std::string& name);

}  // namespace wf
