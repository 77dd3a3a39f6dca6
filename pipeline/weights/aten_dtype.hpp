// pipeline/weights/aten_dtype.hpp: element types of checkpoint files as ATen's scalar types, and back.
#pragma once

#include <c10/core/ScalarType.h>

#include <optional>

#include "pipeline/weights/tensor_file.hpp"

namespace wf {

/// The ATen scalar type for a file type; the conversion is lossless.
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

/// The file type for an ATen scalar type; empty when safetensors has none for it.
inline std::optional<DType> from_aten(at::ScalarType type) {
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i)
    if (to_aten(static_cast<DType>(i)) == type) return static_cast<DType>(i);
  return std::nullopt;
}

}  // namespace wf
