// pipeline/weights/json_fields.hpp: typed access to the fields of a JSON object that describes a tensor.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pipeline/weights/tensor_file.hpp"

namespace wf {

// The three readers throw broken(where), naming the key, when the object lacks it or its value has another type.

/// The value of a required key, of any type.
const nlohmann::json& member(const nlohmann::json& object, const char* key, const std::string& where);
/// A list of whole numbers from 0 to 2^63-1.
std::vector<std::int64_t> read_whole_numbers(const nlohmann::json& object, const char* key, const std::string& where);
/// The value of the key "dtype", spelled as in safetensors.
DType read_dtype(const nlohmann::json& object, const std::string& where);

/// The strides, in elements, of a contiguous row-major tensor.
std::vector<std::int64_t> row_major(const std::vector<std::int64_t>& shape);

}  // namespace wf
