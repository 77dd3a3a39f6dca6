#include "launcher/convert/network_writer.hpp"

#include <ATen/ATen.h>

#include <limits>

#include "base/signals.hpp"
#include "pipeline/weights/aten_dtype.hpp"
#include "pipeline/weights/broken_file.hpp"

namespace wf {
namespace {

constexpr std::string_view weight_ending = ".weight";

bool is_matrix(const std::string& name, const std::vector<std::int64_t>& shape) {
  return shape.size() == 2 && name.ends_with(weight_ending);
}

std::map<std::string, std::string> new_names(Network network, const NetworkWeights& weights, Layout layout) {
  const std::vector<std::string> names = weights.names();
  if (layout == Layout::diffusers) return diffusers_names(network, names);
  std::map<std::string, std::string> same;
  for (const std::string& name : names) same.emplace(name, name);
  return same;
}

}  // namespace

bool is_block_matrix(const std::string& official, const std::vector<std::int64_t>& shape) {
  return official.starts_with("blocks.") && is_matrix(official, shape);
}

NetworkWriter::NetworkWriter(Network network, const NetworkWeights& weights, const NetworkForm& form)
    : weights_(weights), form_(form) {
  for (const auto& [official, name] : new_names(network, weights, form.names)) {
    const Item& item = items_.emplace_back(item_of(official, name));
    const std::vector<std::int64_t>& shape = weights.entry(official).shape;
    tensors_.push_back({item.name, item.dtype, shape});
    if (!item.scale.empty()) tensors_.push_back({item.scale, DType::f32, {shape.front(), 1}});
  }
}

NetworkWriter::Item NetworkWriter::item_of(const std::string& official, const std::string& name) const {
  const TensorEntry& stored = weights_.entry(official);
  Item item{official, name, "", form_.dtype.value_or(stored.dtype)};
  const bool may_be_f8 = form_.dtype ? is_block_matrix(official, stored.shape) : is_matrix(official, stored.shape);
  if (!is_f8(item.dtype)) return item;
  if (!may_be_f8) {
    item.dtype = DType::bf16;
    return item;
  }
  if (!weights_.is_kept_in_fp8(official)) item.dtype = DType::f8_e4m3;
  item.scale = name + "_scale";
  return item;
}

std::uint64_t NetworkWriter::bytes() const {
  std::uint64_t sum = 0;
  for (const PlannedTensor& tensor : tensors_) sum += bytes_of(tensor);
  return sum;
}

bool NetworkWriter::write(const Path& root, const NetworkPlace& place, std::uint64_t shard_bytes,
                          at::Device device) const {
  const Path folder = root / place.folder;
  make_folder(folder);
  const std::uint64_t largest = place.in_shards ? shard_bytes : std::numeric_limits<std::uint64_t>::max();
  ShardWriter files(folder, place.stem, tensors_, largest);
  for (const Item& item : items_) {
    if (stop_requested()) return false;
    write_item(item, device, files);
  }
  files.finish();
  return true;
}

void NetworkWriter::write_item(const Item& item, at::Device device, ShardWriter& files) const {
  const std::vector<std::int64_t>& shape = weights_.entry(item.official).shape;
  if (!item.scale.empty()) {
    const ScaledMatrix matrix = weights_.load_scaled(item.official, to_aten(item.dtype), device, shape);
    files.write(item.name, matrix.weight);
    files.write(item.scale, matrix.scale.unsqueeze(1));
    return;
  }
  const at::Tensor weight = weights_.load(item.official, to_aten(item.dtype), device, shape);
  if (item.dtype == DType::f16 && !at::isfinite(weight).all().item<bool>())
    broken(weights_.files().path().string(),
           "tensor " + printable(item.official) + ": has numbers that F16 cannot hold; use BF16");
  files.write(item.name, weight);
}

}  // namespace wf
