// pipeline/weights/json_fields.hpp: the fields by which a JSON object describes a tensor.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pipeline/weights/tensor_file.hpp"

namespace wf {

// Each throws broken(where), naming the key, when the object lacks it or its value is of another kind.
const nlohmann::json& member(const nlohmann::json& object, const char* key, const std::string& where);
std::vector<std::int64_t> read_whole_numbers(const nlohmann::json& object, const char* key, const std::string& where);
DType read_dtype(const nlohmann::json& object, const std::string& where);  ///< the key is "dtype"

/// Strides in elements of a tensor without gaps.
std::vector<std::int64_t> row_major(const std::vector<std::int64_t>& shape);

}  // namespace wf
