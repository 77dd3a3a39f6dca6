// pipeline/weights/aten_dtype.hpp: a file's element types in ATen's words.
#pragma once

#include <c10/core/ScalarType.h>

#include <optional>

#include "pipeline/weights/tensor_file.hpp"

namespace wf {

inline at::ScalarType to_aten(DType type) {
  switch (type) {
    case DType::f64:
      return at::kDouble;
    case DType::f32:
      return at::kFloat;
    case DType::bf16:
      return at::kBFloat16;
    case DType::f16:
      return at::kHalf;
    case DType::f8_e4m3:
      return at::kFloat8_e4m3fn;
    case DType::f8_e5m2:
      return at::kFloat8_e5m2;
    case DType::i64:
      return at::kLong;
    case DType::i32:
      return at::kInt;
    case DType::i16:
      return at::kShort;
    case DType::i8:
      return at::kChar;
    case DType::u8:
      return at::kByte;
    case DType::boolean:
      return at::kBool;
  }
  return at::ScalarType::Undefined;
}

/// Empty: safetensors has no such type.
inline std::optional<DType> from_aten(at::ScalarType type) {
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i)
    if (to_aten(static_cast<DType>(i)) == type) return static_cast<DType>(i);
  return std::nullopt;
}

}  // namespace wf
