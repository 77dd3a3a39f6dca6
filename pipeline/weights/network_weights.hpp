// pipeline/weights/network_weights.hpp: the weights of one network by their official names, whatever form the files
// have: names of other programs, matrices in 8 bits with scales, LoRAs that are yet to be merged.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "pipeline/weights/checkpoint.hpp"
#include "pipeline/weights/fp8.hpp"
#include "pipeline/weights/lora.hpp"
#include "pipeline/weights/model_files.hpp"
#include "pipeline/weights/tensor_names.hpp"

namespace wf {

/// A network opened for reading. The constructor reads headers and scales; data is read when it is loaded. Threads and
/// NodeReader as for Checkpoint: ranks that read together load the same weights in the same order.
class NetworkWeights {
 public:
  /// Opens a network without LoRAs. Throws environment as Checkpoint, official_names() and find_scales() do.
  NetworkWeights(Network network, const Path& path, NodeReader* node_reader = nullptr);
  /// Opens an expert with its LoRAs. Throws environment for a LoRA that does not fit, as Lora does.
  NetworkWeights(const ExpertFiles& files, Expert expert, NodeReader* node_reader = nullptr);

  /// Official names of all weights, in byte order, without scales and markers.
  std::vector<std::string> names() const;
  /// Shape, stored dtype and place of a weight. Throws environment naming file and tensor when it is missing.
  const TensorEntry& entry(const std::string& name) const;
  bool has(const std::string& name) const { return weights_.contains(name); }
  /// Size of a dimension of a weight. Throws environment when the weight is missing, has fewer dimensions, or is empty
  /// there.
  std::int64_t size(const std::string& name, std::size_t dimension) const;
  /// Length of a numbered list: one more than the largest N in the names "<list>.N.<...>".
  std::int64_t count(const std::string& list) const;
  const Checkpoint& files() const noexcept { return checkpoint_; }
  const std::vector<Lora>& loras() const noexcept { return loras_; }

  /// A weight as a new contiguous tensor of `dtype` and of exactly this shape on `device`: the stored numbers times
  /// their scale, plus the LoRAs' changes, all in f32 and then rounded once. A weight that has neither is read as
  /// Checkpoint::load() reads it. Besides the tensor this takes one or two of its size in f32. On the device `meta` no
  /// data is read.
  at::Tensor load(const std::string& name, at::ScalarType dtype, at::Device device, at::IntArrayRef shape) const;

  /// Whether the file has the weight in 8 bits and no LoRA changes it, so that load_scaled() keeps every bit of it.
  bool is_kept_in_fp8(const std::string& name) const;
  /// A matrix in 8 bits: as stored if it is kept so with this dtype, else rounded by quantise_rows().
  ScaledMatrix load_scaled(const std::string& name, at::ScalarType f8, at::Device device, at::IntArrayRef shape) const;

 private:
  struct Weight {
    std::string stored;  ///< Name in the file.
    at::Tensor scale;    ///< [] or [rows] f32 on the CPU; undefined: none.
  };
  const Weight& weight(const std::string& name) const;
  void check_shape(const Weight& weight, at::IntArrayRef shape) const;
  at::Tensor load_wide(const std::string& name, at::Device device) const;
  bool has_changes(const std::string& name) const;

  Checkpoint checkpoint_;
  std::map<std::string, Weight> weights_;  ///< By official name.
  std::vector<Lora> loras_;
  std::set<std::string> changed_;  ///< Official names that LoRAs change.
};

}  // namespace wf
