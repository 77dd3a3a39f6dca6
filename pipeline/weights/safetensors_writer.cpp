#include "pipeline/weights/safetensors_writer.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/check.hpp"
#include "pipeline/weights/aten_dtype.hpp"
#include "pipeline/weights/checkpoint.hpp"

namespace wf {
namespace {

/// The order of the data: largest elements first, then by name, so that every tensor is aligned to its element size.
std::vector<PlannedTensor> data_order(std::vector<PlannedTensor> tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const PlannedTensor& a, const PlannedTensor& b) {
    return size_of(a.dtype) != size_of(b.dtype) ? size_of(a.dtype) > size_of(b.dtype) : a.name < b.name;
  });
  return tensors;
}

/// The length and the header, which is padded with spaces so that the data begins at a multiple of 8.
std::string header_of(const std::vector<PlannedTensor>& order, const Metadata& metadata) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t begin = 0;
  for (const PlannedTensor& tensor : order) {
    const std::uint64_t end = begin + bytes_of(tensor);
    header[tensor.name] = {{"dtype", to_string(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  // Metadata may hold a path, of which nobody knows that it is UTF-8.
  std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + text;
}

PlannedTensor plan_of(const std::string& name, const at::Tensor& tensor) {
  const auto dtype = from_aten(tensor.scalar_type());
  TORCH_CHECK(dtype, "safetensors has no type for tensor ", name, " of ", tensor.scalar_type());
  return {name, *dtype, tensor.sizes().vec()};
}

}  // namespace

std::string shard_name(const std::string& stem, std::size_t shard, std::size_t shards) {
  char number[32];
  std::snprintf(number, sizeof number, "-%05zu-of-%05zu", shard + 1, shards);
  return stem + number + ".safetensors";
}

std::string shard_index(std::uint64_t bytes, const std::vector<std::pair<std::string, std::string>>& places) {
  nlohmann::ordered_json map = nlohmann::ordered_json::object();
  for (const auto& [tensor, file] : places) map[tensor] = file;
  return nlohmann::ordered_json{{"metadata", {{"total_size", bytes}}}, {"weight_map", map}}.dump(2) + "\n";
}

std::uint64_t bytes_of(const PlannedTensor& tensor) { return bytes_of(tensor.dtype, tensor.shape); }

SafetensorsWriter::SafetensorsWriter(const Path& file, const std::vector<PlannedTensor>& tensors,
                                     const Metadata& metadata)
    : file_(file) {
  const std::vector<PlannedTensor> order = data_order(tensors);
  header_ = header_of(order, metadata);
  std::uint64_t offset = header_.size();
  for (const PlannedTensor& tensor : order) {
    unwritten_.emplace(tensor.name, Place{tensor, offset});
    offset += bytes_of(tensor);
  }
  end_ = offset;
  file_.write(0, header_);
}

void SafetensorsWriter::write(const std::string& name, const at::Tensor& tensor) {
  const auto place = unwritten_.extract(name);
  WF_CHECK(!place.empty());
  const auto& [planned, offset] = place.mapped();
  WF_CHECK(tensor.scalar_type() == to_aten(planned.dtype) && tensor.sizes() == at::IntArrayRef(planned.shape));
  const at::Tensor data = tensor.detach().to(at::kCPU).contiguous();
  file_.write(offset, {static_cast<const char*>(data.const_data_ptr()), data.nbytes()});
}

void SafetensorsWriter::finish() {
  WF_CHECK(unwritten_.empty());
  file_.publish();
}

ShardWriter::ShardWriter(const Path& folder, const std::string& stem, const std::vector<PlannedTensor>& tensors,
                         std::uint64_t shard_bytes)
    : index_(folder / (stem + ".safetensors.index.json")) {
  const auto shards = into_shards(tensors, shard_bytes, [](const PlannedTensor& tensor) { return bytes_of(tensor); });
  for (const std::vector<PlannedTensor>& shard : shards) {
    names_.push_back(shards.size() == 1 ? stem + ".safetensors" : shard_name(stem, shards_.size(), shards.size()));
    for (const PlannedTensor& tensor : shard) {
      shard_of_[tensor.name] = shards_.size();
      bytes_ += bytes_of(tensor);
    }
    // transformers refuses a file whose header does not name the format.
    shards_.push_back(std::make_unique<SafetensorsWriter>(folder / names_.back(), shard, Metadata{{"format", "pt"}}));
  }
}

void ShardWriter::write(const std::string& name, const at::Tensor& tensor) {
  shards_[shard_of_.at(name)]->write(name, tensor);
}

void ShardWriter::finish() {
  for (const auto& shard : shards_) shard->finish();
  if (shards_.size() == 1) return;
  std::vector<std::pair<std::string, std::string>> places;
  for (const auto& [tensor, shard] : shard_of_) places.emplace_back(tensor, names_[shard]);
  write_file(index_, shard_index(bytes_, places));
}

void write_safetensors(const Path& file, const std::map<std::string, at::Tensor>& tensors) {
  std::vector<PlannedTensor> plan;
  for (const auto& [name, tensor] : tensors) plan.push_back(plan_of(name, tensor));
  SafetensorsWriter writer(file, plan);
  for (const auto& [name, tensor] : tensors) writer.write(name, tensor);
  writer.finish();
}

}  // namespace wf
