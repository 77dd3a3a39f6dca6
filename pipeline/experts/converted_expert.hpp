// pipeline/experts/converted_expert.hpp: an expert as tensors of a file: those of for_each_tensor(), in its order,
// named by their places, "0000", "0001", ...
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "pipeline/model/dit.hpp"
#include "pipeline/weights/checkpoint.hpp"
#include "pipeline/weights/safetensors_writer.hpp"

namespace wf {

/// The tensors of an expert, on any device, in their order.
std::vector<at::Tensor> tensors_of(const DitWeights& expert);
/// Their plan. Weights on the device `meta` will do.
std::vector<PlannedTensor> planned_tensors(const DitWeights& expert);
/// The bytes of all of them.
std::uint64_t bytes_of(const DitWeights& expert);

/// Whether the file has tensors of these names, dtypes and shapes; others do not matter.
bool has_tensors(const Checkpoint& file, const std::vector<PlannedTensor>& tensors);

/// The expert `like`, which is on the device `meta`, with the data of the file, onto `device`. settle: as for
/// load_dit(). Throws what Checkpoint::load() throws.
DitWeights read_converted(const Checkpoint& file, const DitWeights& like, at::Device device, const SettleBlock& settle);

}  // namespace wf
