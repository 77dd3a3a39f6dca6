// pipeline/weights/tensor_file.hpp: what a checkpoint file says it holds: names, dtypes, shapes and places, checked
// against the file's size. Torch-free; nothing of the data is read or executed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/files.hpp"

namespace wf {

enum class DType { f64, f32, bf16, f16, f8_e4m3, f8_e5m2, i64, i32, i16, i8, u8, boolean };
std::size_t size_of(DType type) noexcept;
const char* to_string(DType type) noexcept;  ///< as safetensors writes it: F32, BF16, F8_E4M3, ...
std::optional<DType> dtype_named(std::string_view safetensors) noexcept;  ///< the way back; empty: not known

/// Values that are described, not stored: mean + spread * N(0, 1), from a generator of this seed.
struct RandomValues {
  std::uint64_t seed = 0;
  double mean = 0, spread = 0;
};

/// Element (i, j, ...) lies at offset + size_of(dtype) * (i strides[0] + j strides[1] + ...) in the file. Nothing
/// promises that offset is a multiple of the element's size: copy the bytes first or look.
struct TensorEntry {
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;          ///< at most 16 dimensions; the number of elements fits an int64
  std::vector<std::int64_t> strides;        ///< in elements, never negative; row-major in safetensors
  std::uint64_t offset = 0;                 ///< bytes from the file's start
  std::uint64_t bytes = 0;                  ///< extent from offset to the end of the last element; inside the file
  std::optional<RandomValues> random = {};  ///< set: nothing lies in the file, offset and bytes are 0
};

/// Names in byte order.
using TensorIndex = std::map<std::string, TensorEntry>;

/// Every lie of a header is an Error(environment) "FILE: what": not JSON, a header beyond the file or over 100 MB, a
/// name or key twice, an unknown dtype, a number that is negative or not whole, a shape that overflows or disagrees
/// with its bytes, data out of the file, overlapping, or with a hole between. `name` stands for the file in errors.
TensorIndex read_safetensors_index(std::span<const std::byte> file, const std::string& name);

/// The zip that torch.save writes (stored entries, zip64 too), holding a flat dict or OrderedDict of tensors. A
/// restricted pickle machine knows the globals collections.OrderedDict, torch._utils._rebuild_tensor_v2 and
/// torch.*Storage and refuses any other by its name; it executes nothing at all.
TensorIndex read_pth_index(std::span<const std::byte> file, const std::string& name);

/// A manifest by its ending .random.json (random_manifest.hpp), the others by content: safetensors or zip.
TensorIndex read_tensor_index(std::span<const std::byte> file, const std::string& name);

}  // namespace wf
