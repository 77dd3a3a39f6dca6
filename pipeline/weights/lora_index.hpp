// pipeline/weights/lora_index.hpp: which tensors of a LoRA file change which tensors of an expert, from names and
// shapes alone. No torch header; pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pipeline/weights/model_files.hpp"
#include "pipeline/weights/tensor_file.hpp"

namespace wf {

/// What is added to one tensor of an expert. The texts are names in the file, empty for what is not there.
struct LoraChange {
  std::string down, up, alpha;  ///< Factors of a low-rank change, both or neither.
  std::string up_bias;          ///< Added with the factor of the layer's matrix.
  std::string difference;       ///< Added as it is.
  std::string layer;            ///< The layer as the factors' names spell it, for PEFT's alpha_pattern.
  std::int64_t rank = 0;        ///< At least 1 where there are factors.
};

/// A LoRA file as one expert reads it.
struct LoraIndex {
  std::map<std::string, LoraChange> changes;  ///< By official name of the changed tensor; not empty.
  std::vector<std::string> unused;            ///< Names that neither expert uses, in byte order.
  bool is_of_pair = false;                    ///< Some names are transformer_2's: each expert takes its own.
};

/// Sorts the tensors of the file `where` out for one expert. A file with names of transformer_2 (the low-noise expert)
/// has changes for that one under these names, and for the high-noise expert under those of transformer; any other file
/// serves both. Throws environment naming file and tensor: a factor without its partner, factors of different ranks or
/// of too few dimensions, two tensors for one place, a method that is not merged, nothing for this expert.
LoraIndex read_lora_index(const TensorIndex& tensors, Expert expert, const std::string& where);

/// The experts that read_lora_index() is to be asked for, the high-noise one first: both, but for a file whose names
/// are all those of one expert of a pair.
std::vector<Expert> experts_of_lora(const TensorIndex& tensors);

/// The matrix X.weight of the layer whose bias is X.bias.
std::string matrix_of(const std::string& bias);

/// The shape of the change that two factors make: [out, rank] and [rank, in, ...] -> [out, in, ...].
std::vector<std::int64_t> product_shape(const std::vector<std::int64_t>& up, const std::vector<std::int64_t>& down);

}  // namespace wf
