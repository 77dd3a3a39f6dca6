#include "pipeline/weights/json_fields.hpp"

#include <algorithm>

#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/foreign_files.hpp"

namespace wf {

using nlohmann::json;

const json& member(const json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end()) broken(where, std::string("has no ") + key);
  return *found;
}

std::vector<std::int64_t> read_whole_numbers(const json& object, const char* key, const std::string& where) {
  const json& list = member(object, key, where);
  if (!list.is_array()) broken(where, std::string(key) + " is not a list");
  std::vector<std::int64_t> numbers;
  for (const json& number : list) {
    if (!number.is_number_unsigned() || number.get<std::uint64_t>() > INT64_MAX)
      broken(where, std::string(key) + " has an item that is not a whole number from 0 to 2^63-1");
    numbers.push_back(number.get<std::int64_t>());
  }
  return numbers;
}

DType read_dtype(const json& object, const std::string& where) {
  const json& dtype = member(object, "dtype", where);
  if (!dtype.is_string()) broken(where, "dtype is not a string");
  const auto& name = dtype.get_ref<const std::string&>();
  const auto known = dtype_named(name);
  if (!known && (name == "F8_E8M0" || name.starts_with("F4") || name.starts_with("F6")))
    broken(where, "dtype " + name + " belongs to MXFP8, MXFP4 or NVFP4: this form is not read; " + use_read_form);
  if (!known) broken(where, "dtype \"" + printable(name) + "\" is not known");
  return *known;
}

std::vector<std::int64_t> row_major(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * std::max<std::int64_t>(shape[i], 1);
  return strides;
}

}  // namespace wf
