#include "pipeline/weights/network_weights.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>

#include "pipeline/weights/aten_dtype.hpp"
#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/scales.hpp"

namespace wf {

NetworkWeights::NetworkWeights(Network network, const Path& path, NodeReader* node_reader)
    : checkpoint_(path, node_reader) {
  const std::map<std::string, std::string> stored = official_names(network, checkpoint_.index(), path.string());
  const Scales scales = find_scales(checkpoint_, stored);
  for (const auto& [official, name] : stored) weights_[official] = {name, {}};
  for (const std::string& companion : scales.companions) weights_.erase(companion);
  for (const auto& [official, scale] : scales.of) weights_.at(official).scale = read_scale(checkpoint_, scale);
}

NetworkWeights::NetworkWeights(const ExpertFiles& files, Expert expert, NodeReader* node_reader)
    : NetworkWeights(Network::expert, files.weights, node_reader) {
  for (const LoraFile& file : files.loras) {
    const Lora& lora = loras_.emplace_back(file, expert);
    for (const std::string& target : lora.targets()) {
      if (!weights_.contains(target))
        broken(file.file.string(), "is a LoRA of another network: it changes " + printable(target) + ", which " +
                                       files.weights.string() + " does not have");
      lora.check_shape(target, entry(target).shape);
      changed_.insert(target);
    }
  }
}

std::vector<std::string> NetworkWeights::names() const {
  std::vector<std::string> names;
  for (const auto& [name, weight] : weights_) names.push_back(name);
  return names;
}

const NetworkWeights::Weight& NetworkWeights::weight(const std::string& name) const {
  const auto found = weights_.find(name);
  if (found == weights_.end()) broken(checkpoint_.path().string(), "tensor " + printable(name) + ": is missing");
  return found->second;
}

const TensorEntry& NetworkWeights::entry(const std::string& name) const {
  return checkpoint_.entry(weight(name).stored);
}

std::int64_t NetworkWeights::size(const std::string& name, std::size_t dimension) const {
  const std::vector<std::int64_t>& shape = entry(name).shape;
  if (dimension < shape.size() && shape[dimension] > 0) return shape[dimension];
  broken(checkpoint_.path().string(), "tensor " + name + ": has no dimension " + std::to_string(dimension));
}

std::int64_t NetworkWeights::count(const std::string& list) const {
  std::int64_t count = 0;
  const std::string prefix = list + ".";
  for (auto at = weights_.lower_bound(prefix); at != weights_.end() && at->first.starts_with(prefix); ++at) {
    std::int64_t number = -1;
    std::from_chars(at->first.data() + prefix.size(), at->first.data() + at->first.size(), number);
    count = std::max(count, number + 1);
  }
  return count;
}

bool NetworkWeights::has_changes(const std::string& name) const { return changed_.contains(name); }

at::Tensor NetworkWeights::load(const std::string& name, at::ScalarType dtype, at::Device device,
                                at::IntArrayRef shape) const {
  const Weight& found = weight(name);
  checkpoint_.check_shape(found.stored, shape);
  if (device.is_meta()) return at::empty(shape, at::TensorOptions(dtype).device(device));
  if (!found.scale.defined() && !has_changes(name)) return checkpoint_.load(found.stored, dtype, device);
  return load_wide(name, device).to(dtype);
}

/// The weight in f32, with scale and changes.
at::Tensor NetworkWeights::load_wide(const std::string& name, at::Device device) const {
  const auto& [stored, scale] = weight(name);
  const at::ScalarType dtype = scale.defined() ? to_aten(checkpoint_.entry(stored).dtype) : at::kFloat;
  const at::Tensor numbers = checkpoint_.load(stored, dtype, device);
  const at::Tensor wide = scale.defined() ? widened(numbers, scale.to(device)) : numbers;
  for (const Lora& lora : loras_) lora.add_to(name, wide);
  return wide;
}

bool NetworkWeights::is_kept_in_fp8(const std::string& name) const {
  return is_f8(entry(name).dtype) && !has_changes(name);
}

ScaledMatrix NetworkWeights::load_scaled(const std::string& name, at::ScalarType f8, at::Device device,
                                         at::IntArrayRef shape) const {
  const auto& [stored, scale] = weight(name);
  checkpoint_.check_shape(stored, shape);
  const auto scales = at::TensorOptions(at::kFloat).device(device);
  if (device.is_meta()) return {at::empty(shape, scales.dtype(f8)), at::empty({shape.front()}, scales)};
  if (!is_kept_in_fp8(name) || to_aten(entry(name).dtype) != f8) return quantise_rows(load_wide(name, device));
  const at::Tensor rows = scale.defined() ? scale.to(device) : at::ones({}, scales);
  return {checkpoint_.load(stored, f8, device), rows.expand({shape.front()}).contiguous()};
}

}  // namespace wf
