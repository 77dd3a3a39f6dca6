// launcher/convert/network_writer.hpp: writes the weights of one network anew.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launcher/convert/layout_files.hpp"
#include "pipeline/weights/network_weights.hpp"
#include "pipeline/weights/safetensors_writer.hpp"

namespace wf {

/// The form in which a network is written.
struct NetworkForm {
  Layout names = Layout::official;
  /// F32, BF16, F16; F8_E4M3 for the matrices of an expert's blocks, with BF16 for the rest. Empty: as stored.
  std::optional<DType> dtype = {};
};

/// Whether a weight is one of the matrices that `F8_E4M3` rounds to 8 bits: the ten of each block.
bool is_block_matrix(const std::string& official, const std::vector<std::int64_t>& shape);

/// A network on its way from files to files. Matrices in 8 bits get a scale for each row, X.weight_scale [out, 1] F32.
/// A matrix that is in 8 bits already keeps every bit of its numbers and the values of its scales; other weights in 8
/// bits become BF16, which holds every unscaled one exactly.
class NetworkWriter {
 public:
  /// The weights must outlive the writer.
  NetworkWriter(Network network, const NetworkWeights& weights, const NetworkForm& form);

  /// What will be written.
  const std::vector<PlannedTensor>& tensors() const noexcept { return tensors_; }
  std::uint64_t bytes() const;

  /// Writes the files of `place` below `root`, and returns true; false if a signal asked to stop. Weights are computed
  /// on `device`, and memory holds one at a time. Throws environment where the weights cannot be read or a number is
  /// too large for F16, storage where the files cannot be written. No unfinished file is left.
  bool write(const Path& root, const NetworkPlace& place, std::uint64_t shard_bytes, at::Device device) const;

 private:
  struct Item {
    std::string official, name, scale;  ///< scale: name of the tensor with the scales; empty: none.
    DType dtype;
  };
  Item item_of(const std::string& official, const std::string& name) const;
  void write_item(const Item& item, at::Device device, ShardWriter& files) const;

  const NetworkWeights& weights_;
  NetworkForm form_;
  std::vector<Item> items_;
  std::vector<PlannedTensor> tensors_;
};

}  // namespace wf
