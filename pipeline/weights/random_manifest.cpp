#include "pipeline/weights/random_manifest.hpp"

#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/json_fields.hpp"
#include "pipeline/weights/strict_json.hpp"

namespace wf {
namespace {

using nlohmann::json;

constexpr const char* version_key = "random_weights";
constexpr std::uint64_t version = 1;
/// Limit for one tensor, a thousand times the largest weight; sums of bytes stay within 64 bits.
constexpr std::int64_t max_elements = std::int64_t{1} << 40;

std::uint64_t read_seed(const json& manifest, const std::string& file) {
  const json& seed = member(manifest, "seed", file);
  if (!seed.is_number_unsigned()) broken(file, "seed is not a whole number from 0 to 2^64-1");
  return seed.get<std::uint64_t>();
}

double read_number(const json& object, const char* key, const std::string& where) {
  const json& number = member(object, key, where);
  if (!number.is_number()) broken(where, std::string(key) + " is not a number");
  return number.get<double>();
}

TensorEntry read_entry(const json& tensor, DType dtype, std::uint64_t stream, const std::string& where) {
  if (!tensor.is_object()) broken(where, "is not described by an object");
  TensorEntry entry;
  entry.dtype = dtype;
  entry.shape = read_whole_numbers(tensor, "shape", where);
  if (element_count(entry.shape, where) > max_elements)
    broken(where, "its shape " + to_string(entry.shape) + " has more than 2^40 elements");
  entry.strides = row_major(entry.shape);
  entry.random = {stream, read_number(tensor, "mean", where), read_number(tensor, "spread", where)};
  if (entry.random->spread < 0) broken(where, "spread is negative");
  return entry;
}

void check_version(const json& manifest, const std::string& file) {
  if (!manifest.is_object() || !manifest.contains(version_key))
    broken(file, std::string("describes no random weights: it is not an object with the key ") + version_key);
  if (manifest[version_key] != version)
    broken(file,
           "is of version " + printable(manifest[version_key].dump()) + ", only 1 is read; create the model again");
}

}  // namespace

std::uint64_t stream_of(std::uint64_t seed, const std::string& part, const std::string& name) {
  std::uint64_t hash = 14695981039346656037ull ^ seed;  // FNV-1a
  for (const unsigned char c : part + "/" + name) hash = (hash ^ c) * 1099511628211ull;
  return hash;
}

std::string to_json(const RandomManifest& manifest) {
  using Json = nlohmann::ordered_json;
  std::string text = Json{{version_key, version},
                          {"seed", manifest.seed},
                          {"part", manifest.part},
                          {"dtype", to_string(manifest.dtype)}}
                         .dump();
  text.back() = ',';
  text += "\"tensors\":{";
  for (const RandomTensor& tensor : manifest.tensors) {
    text += '\n' + json(tensor.name).dump() + ':';
    text += Json{{"shape", tensor.shape}, {"mean", tensor.mean}, {"spread", tensor.spread}}.dump() + ',';
  }
  if (!manifest.tensors.empty()) text.pop_back();
  return text + "\n}}\n";
}

TensorIndex read_random_manifest(std::string_view text, const std::string& file) {
  const json manifest = parse_strict_json(text, file);
  check_version(manifest, file);
  const std::uint64_t seed = read_seed(manifest, file);
  const json& part = member(manifest, "part", file);
  if (!part.is_string()) broken(file, "part is not a string");
  const DType dtype = read_dtype(manifest, file);
  if (dtype != DType::f32 && dtype != DType::bf16 && dtype != DType::f16)
    broken(file, std::string("dtype ") + to_string(dtype) + " is not F32, BF16 or F16");
  const json& tensors = member(manifest, "tensors", file);
  if (!tensors.is_object()) broken(file, "tensors is not an object");
  TensorIndex index;
  for (const auto& [name, tensor] : tensors.items())
    index.emplace(name, read_entry(tensor, dtype, stream_of(seed, part.get<std::string>(), name),
                                   file + ": tensor " + printable(name)));
  return index;
}

}  // namespace wf
