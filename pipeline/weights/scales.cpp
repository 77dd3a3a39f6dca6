#include "pipeline/weights/scales.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/foreign_files.hpp"
#include "pipeline/weights/strict_json.hpp"

namespace wf {
namespace {

constexpr std::string_view marker = "scaled_fp8";

/// The layer of a name that ends in ".LEAF"; empty for any other name.
std::string layer_of(const std::string& name, std::string_view leaf) {
  const bool ends = name.size() > leaf.size() && name.ends_with(leaf) && name[name.size() - leaf.size() - 1] == '.';
  return ends ? name.substr(0, name.size() - leaf.size() - 1) : "";
}

bool is_companion(const std::string& name) {
  const auto ends_in = [&](std::string_view leaf) { return !layer_of(name, leaf).empty(); };
  return name == marker || ends_in("scale_weight") || ends_in("weight_scale") || ends_in("scale_input") ||
         ends_in("input_scale") || ends_in("comfy_quant");
}

void check_format(const nlohmann::json& format, const std::string& where) {
  const bool known = format.is_object() && format.contains("format") && format["format"].is_string();
  const std::string name = known ? format["format"].get<std::string>() : "";
  if (name != "float8_e4m3fn" && name != "float8_e5m2")
    broken(where,
           "is quantised as " + printable(known ? name : format.dump()) + ", which is not read; " + use_read_form);
}

/// Reads the scales of one file.
class ScaleFinder {
 public:
  ScaleFinder(const Checkpoint& checkpoint, const std::map<std::string, std::string>& stored)
      : checkpoint_(checkpoint), stored_(stored) {}

  Scales find() {
    check_metadata();
    for (const auto& [official, stored] : stored_) {
      if (!is_companion(official)) continue;
      scales_.companions.push_back(official);
      for (const char* leaf : {"scale_weight", "weight_scale"})
        if (const std::string layer = layer_of(official, leaf); !layer.empty()) add(layer, stored);
      if (!layer_of(official, "comfy_quant").empty()) check_comfy_quant(stored);
    }
    check_completeness();
    return std::move(scales_);
  }

 private:
  std::string where(const std::string& stored) const {
    return checkpoint_.file_of(stored).string() + ": tensor " + printable(stored);
  }

  void add(const std::string& layer, const std::string& scale) {
    const auto weight = stored_.find(layer + ".weight");
    if (weight == stored_.end()) broken(where(scale), "is a scale, but its matrix " + layer + ".weight is missing");
    const TensorEntry &matrix = checkpoint_.entry(weight->second), &entry = checkpoint_.entry(scale);
    if (!is_f8(matrix.dtype))
      broken(where(scale),
             std::string("is a scale, but its matrix is stored as ") + to_string(matrix.dtype) + ", not in 8 bits");
    if (entry.dtype != DType::f32 && entry.dtype != DType::bf16 && entry.dtype != DType::f16)
      broken(where(scale), std::string("is a scale of type ") + to_string(entry.dtype) + ", not F32, BF16 or F16");
    check_shape(scale, entry.shape, matrix.shape);
    const auto [there, is_new] = scales_.of.emplace(weight->first, scale);
    if (!is_new)
      broken(where(scale), "is a second scale of its matrix: there is " + printable(there->second) + ", too");
  }

  void check_shape(const std::string& scale, const std::vector<std::int64_t>& shape,
                   const std::vector<std::int64_t>& matrix) const {
    const std::int64_t elements = c10::multiply_integers(shape);
    const bool by_row =
        !matrix.empty() && !shape.empty() && shape.front() == matrix.front() && elements == shape.front();
    if (elements != 1 && !by_row)
      broken(where(scale), "has shape " + to_string(shape) + ", but a scale is one number, or one for each row of " +
                               to_string(matrix));
  }

  void check_comfy_quant(const std::string& stored) const {
    if (checkpoint_.entry(stored).dtype != DType::u8) broken(where(stored), "is not text in a U8 tensor");
    const at::Tensor bytes = checkpoint_.load_alone(stored);
    const std::string_view text(static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes());
    check_format(parse_strict_json(text, where(stored)), where(stored));
  }

  void check_metadata() const {
    const auto found = checkpoint_.metadata().find("_quantization_metadata");
    if (found == checkpoint_.metadata().end()) return;
    const std::string file = checkpoint_.path().string();
    const nlohmann::json metadata = parse_strict_json(found->second, file + ": _quantization_metadata");
    if (!metadata.is_object() || !metadata.contains("layers") || !metadata["layers"].is_object())
      broken(file, "its _quantization_metadata has no layers");
    for (const auto& [layer, format] : metadata["layers"].items())
      check_format(format, file + ": layer " + printable(layer));
  }

  /// A matrix whose scale was lost would be used as it is, wrong by orders of magnitude.
  void check_completeness() const {
    if (scales_.of.empty() && !stored_.contains(std::string(marker))) return;
    for (const auto& [official, stored] : stored_) {
      const TensorEntry& entry = checkpoint_.entry(stored);
      if (is_f8(entry.dtype) && entry.shape.size() == 2 && official.ends_with(".weight") &&
          !scales_.of.contains(official))
        broken(where(stored), "its scale is missing, though this file stores scales");
    }
  }

  const Checkpoint& checkpoint_;
  const std::map<std::string, std::string>& stored_;
  Scales scales_;
};

}  // namespace

Scales find_scales(const Checkpoint& checkpoint, const std::map<std::string, std::string>& stored) {
  return ScaleFinder(checkpoint, stored).find();
}

at::Tensor read_scale(const Checkpoint& checkpoint, const std::string& stored) {
  const at::Tensor scale = checkpoint.load_alone(stored).to(at::kFloat);
  if (!at::isfinite(scale).logical_and(scale > 0).all().item<bool>())
    broken(checkpoint.file_of(stored).string() + ": tensor " + printable(stored),
           "is a scale that is not a number above 0");
  return scale.numel() == 1 ? scale.reshape({}) : scale.flatten();
}

}  // namespace wf
