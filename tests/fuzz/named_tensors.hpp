// tests/fuzz/named_tensors.hpp: the index of a .safetensors file that the input lists tensor by tensor, so that
// mutations change names and shapes instead of breaking JSON and offsets.
#pragma once

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/weights/tensor_file.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/pipeline/weights/made_files.hpp"

namespace wf::fuzz {

/// The rest of a text after its last `separator`, which is removed with it; empty when there is none.
inline std::string_view take_last(std::string_view& text, char separator) {
  const std::size_t at = text.rfind(separator);
  if (at == text.npos) return {};
  const std::string_view last = text.substr(at + 1);
  text = text.substr(0, at);
  return last;
}

/// "2,3" as numbers, up to the first one that is none.
inline std::vector<std::int64_t> shape_of(std::string_view text) {
  std::vector<std::int64_t> shape;
  const char *at = text.data(), *end = text.data() + text.size();
  for (std::int64_t size = 0; at < end; ++at) {
    const auto [rest, error] = std::from_chars(at, end, size);
    if (error != std::errc{}) break;
    shape.push_back(size);
    at = rest;
  }
  return shape;
}

/// The bytes of a tensor. One that is too large for a quick test gets none, and a size of 0 among its sizes.
inline std::uint64_t bytes_of(std::string_view dtype, std::vector<std::int64_t>& shape) {
  constexpr std::int64_t most = 8192;
  std::int64_t bytes = static_cast<std::int64_t>(size_of(dtype_named(dtype).value_or(DType::u8)));
  for (const std::int64_t size : shape)
    if (__builtin_mul_overflow(bytes, size, &bytes) || bytes > most) bytes = most + 1;
  if (bytes >= 0 && bytes <= most) return static_cast<std::uint64_t>(bytes);
  shape[0] = 0;
  return 0;
}

/// The index of the file that `lines` describes, each of them one tensor: NAME DTYPE SIZE,SIZE,... (- for a scalar).
/// Throws like read_safetensors_index().
inline TensorIndex named_tensors(std::string_view lines) {
  nlohmann::json header = nlohmann::json::object();
  std::uint64_t end = 0;
  while (!lines.empty()) {
    std::string_view name = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(name.size() + 1, lines.size()));
    std::vector<std::int64_t> shape = shape_of(take_last(name, ' '));
    const std::string dtype(take_last(name, ' '));
    if (dtype.empty() || header.contains(name)) continue;
    const std::uint64_t begin = std::exchange(end, end + bytes_of(dtype, shape));
    header[std::string(name)] = {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {begin, end}}};
  }
  const std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return read_safetensors_index(fuzz::bytes_of(made::safetensors(text, std::string(end, '\0'))), "fuzz.safetensors");
}

}  // namespace wf::fuzz
