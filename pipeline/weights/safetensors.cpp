// The safetensors format: 8 bytes with the header's length n (little-endian), n bytes of JSON
// {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, "__metadata__": {"k": "v"}}, then the data,
// row-major. Offsets count from the start of the data and cover it without holes.
// Source: the format description in the README of huggingface/safetensors.
#include <algorithm>
#include <vector>

#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/byte_reader.hpp"
#include "pipeline/weights/foreign_files.hpp"
#include "pipeline/weights/json_fields.hpp"
#include "pipeline/weights/strict_json.hpp"
#include "pipeline/weights/tensor_file.hpp"

namespace wf {
namespace {

using nlohmann::json;

constexpr std::uint64_t max_header_bytes = 100'000'000;

std::string_view read_header(std::span<const std::byte> file, const std::string& name) {
  ByteReader reader(file, name, "a safetensors header");
  const auto length = reader.number<std::uint64_t>();
  if (length > max_header_bytes)
    broken(name, "is not safetensors: a header of " + std::to_string(length) + " bytes is over the limit of 100 MB");
  if (length > reader.left())
    broken(name, "its header of " + std::to_string(length) + " bytes reaches beyond the file's end; " + fetch_again);
  const std::string_view header = reader.text(length);
  if (!header.starts_with('{')) broken(name, "is not safetensors: the header does not start with '{'");
  return header;
}

TensorEntry read_entry(const json& tensor, std::uint64_t data_begin, const std::string& where) {
  if (!tensor.is_object()) broken(where, "is not described by an object");
  TensorEntry entry;
  entry.dtype = read_dtype(tensor, where);
  entry.shape = read_whole_numbers(tensor, "shape", where);
  const auto offsets = read_whole_numbers(tensor, "data_offsets", where);
  if (offsets.size() != 2) broken(where, "data_offsets are not two numbers");
  const auto begin = static_cast<std::uint64_t>(offsets[0]), end = static_cast<std::uint64_t>(offsets[1]);
  if (begin > end) broken(where, "data_offsets " + to_string(offsets) + " end before they begin");
  const auto count = static_cast<std::uint64_t>(element_count(entry.shape, where));
  entry.bytes = end - begin;
  if (entry.bytes % size_of(entry.dtype) != 0 || entry.bytes / size_of(entry.dtype) != count)
    broken(where, std::to_string(entry.bytes) + " bytes of data are not the shape " + to_string(entry.shape) + " in " +
                      to_string(entry.dtype));
  entry.strides = row_major(entry.shape);
  entry.offset = data_begin + begin;
  return entry;
}

void check_metadata(const json& metadata, const std::string& name) {
  if (!metadata.is_object()) broken(name, "__metadata__ is not an object");
  for (const json& value : metadata)
    if (!value.is_string()) broken(name, "__metadata__ has a value that is not a string");
}

/// Checks that the tensors, sorted by offset, follow each other without gap or overlap and end with the file. No sum
/// here overflows: offsets are below 2^63, and a tensor that is added begins where the ones before it end.
void check_cover(const TensorIndex& index, std::uint64_t data_begin, std::uint64_t file_size, const std::string& name) {
  std::vector<const TensorIndex::value_type*> order;
  for (const auto& item : index) order.push_back(&item);
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) {
    return std::pair(a->second.offset, a->second.bytes) < std::pair(b->second.offset, b->second.bytes);
  });
  std::uint64_t covered = data_begin;
  for (const auto* item : order) {
    const std::string where = name + ": tensor " + printable(item->first);
    if (item->second.offset < covered) broken(where, "overlaps another tensor");
    if (item->second.offset > covered)
      broken(where, std::to_string(item->second.offset - covered) + " bytes before it belong to no tensor");
    covered += item->second.bytes;
  }
  if (covered > file_size)
    broken(name,
           "only " + std::to_string(file_size) + " of " + std::to_string(covered) + " bytes are there; " + fetch_again);
  if (covered < file_size) broken(name, std::to_string(file_size - covered) + " bytes at the end belong to no tensor");
}

}  // namespace

TensorIndex read_safetensors_index(std::span<const std::byte> file, const std::string& name) {
  const std::string_view text = read_header(file, name);
  const std::uint64_t data_begin = sizeof(std::uint64_t) + text.size();
  const json header = parse_strict_json(text, name + ": header");
  TensorIndex index;
  for (const auto& [key, value] : header.items()) {
    if (key == "__metadata__")
      check_metadata(value, name);
    else
      index.emplace(key, read_entry(value, data_begin, name + ": tensor " + printable(key)));
  }
  check_cover(index, data_begin, file.size(), name);
  return index;
}

std::map<std::string, std::string> read_safetensors_metadata(std::span<const std::byte> file, const std::string& name) {
  const json header = parse_strict_json(read_header(file, name), name + ": header");
  const auto metadata = header.find("__metadata__");
  if (metadata == header.end()) return {};
  check_metadata(*metadata, name);
  return metadata->get<std::map<std::string, std::string>>();
}

}  // namespace wf
