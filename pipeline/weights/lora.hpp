// pipeline/weights/lora.hpp: a LoRA file: low-rank factors and full differences that are added to the tensors of an
// expert before they are rounded.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/weights/checkpoint.hpp"
#include "pipeline/weights/lora_index.hpp"
#include "pipeline/weights/model_files.hpp"

namespace wf {

/// One LoRA for one expert. The constructor reads headers only, and the scalars among the tensors. Const members may be
/// called from several threads.
///
/// A tensor W of the expert becomes W + strength factor up down, with factor = alpha / rank, or W + strength diff, or
/// both; sources: the files of LightX2V, ComfyUI, kohya's musubi-tuner, PEFT and Diffusers (docs/models.md lists the
/// names). Where a layer has no alpha among the file's tensors, its factor follows from lora_alpha (peft_config.hpp) in
/// the text that Diffusers leaves in the header, or else in the adapter_config.json beside the file; without both it is
/// 1, as in all of those programs.
class Lora {
 public:
  /// Opens the file, or the folder that holds it, for one expert: of a file whose prefixes distinguish transformer and
  /// transformer_2, only the tensors of that expert are taken; any other file serves both. Throws environment naming
  /// file and tensor: what read_lora_index() and parse_peft_config() refuse, an alpha that is no finite number.
  Lora(const LoraFile& lora, Expert expert);

  const Path& file() const noexcept { return checkpoint_->path(); }
  /// Official names of the expert's tensors that the file changes, in byte order. Never empty.
  std::vector<std::string> targets() const;
  /// Names in the file that neither expert uses, in byte order, for a warning: the text encoder's, those of image
  /// embeddings, whatever no rule knows. Empty for a file made for Wan 2.2 T2V.
  const std::vector<std::string>& unused() const noexcept { return index_.unused; }

  /// Throws environment, "FILE: is a LoRA of another network: NAME changes [...], but TENSOR has shape [...]", unless
  /// the changes fit a tensor of this shape. Does nothing for a tensor that is not changed.
  void check_shape(const std::string& official, const std::vector<std::int64_t>& shape) const;

  /// Adds the changes of one tensor in place. `weight` is f32, contiguous and has the tensor's shape, on any device;
  /// factors are widened to f32, and their product is computed in f32, never in TF32. Does nothing for a tensor that is
  /// not changed, and keeps every bit where the strength is 0. Throws like check_shape(), and environment for a change
  /// that holds an infinity or NaN; the weight may have been changed in part then.
  void add_to(const std::string& official, const at::Tensor& weight) const;

 private:
  void add_product(const LoraChange& change, double factor, const at::Tensor& weight) const;
  at::Tensor load(const std::string& stored, at::Device device) const;

  std::shared_ptr<const Checkpoint> checkpoint_;
  double strength_;
  LoraIndex index_;
  std::map<std::string, double> factors_;  ///< Of the products, by the official name of the matrix.
};

/// PEFT's adapter_config.json that belongs to a LoRA file (or folder), which is where lora_alpha may stand: a part of
/// the model's identity as the file itself is. Empty if there is none.
std::optional<Path> adapter_config_of(const Path& lora);

}  // namespace wf
