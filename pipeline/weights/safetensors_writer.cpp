#include <ATen/ATen.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "pipeline/weights/aten_dtype.hpp"
#include "pipeline/weights/checkpoint.hpp"

namespace wf {
namespace {

using Item = std::map<std::string, at::Tensor>::value_type;

/// The order of the data: largest elements first, then by name, so that every tensor is aligned to its element size.
std::vector<const Item*> data_order(const std::map<std::string, at::Tensor>& tensors) {
  std::vector<const Item*> order;
  for (const Item& item : tensors) order.push_back(&item);
  std::stable_sort(order.begin(), order.end(),
                   [](const Item* a, const Item* b) { return a->second.element_size() > b->second.element_size(); });
  return order;
}

DType dtype_of(const Item& item) {
  const auto dtype = from_aten(item.second.scalar_type());
  TORCH_CHECK(dtype, "safetensors has no type for tensor ", item.first, " of ", item.second.scalar_type());
  return *dtype;
}

/// The length and the header, which is padded with spaces so that the data begins at a multiple of 8.
std::string header_of(const std::vector<const Item*>& order) {
  nlohmann::json header = nlohmann::json::object();
  std::uint64_t begin = 0;
  for (const Item* item : order) {
    const std::uint64_t end = begin + item->second.nbytes();
    header[item->first] = {
        {"dtype", to_string(dtype_of(*item))}, {"shape", item->second.sizes().vec()}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + text;
}

}  // namespace

void write_safetensors(const Path& file, const std::map<std::string, at::Tensor>& tensors) {
  const Path part = file.string() + ".part";
  try {
    std::ofstream out(part, std::ios::binary);
    const auto order = data_order(tensors);
    out << header_of(order);
    for (const Item* item : order) {
      const at::Tensor data = item->second.detach().to(at::kCPU).contiguous();
      out.write(static_cast<const char*>(data.const_data_ptr()), static_cast<std::streamsize>(data.nbytes()));
    }
    out.close();
    if (!out) throw Error(Error::storage, part.string() + ": cannot be written: " + std::strerror(errno));
    publish_file(part, file);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(part, ignored);
    throw;
  }
}

}  // namespace wf
