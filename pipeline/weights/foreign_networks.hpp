// pipeline/weights/foreign_networks.hpp: recognises networks that are not rendered, and weights in forms that are not
// read, by the names and shapes of their tensors, so that the error can say what a file is. No torch header.
#pragma once

#include <map>
#include <string>

#include "pipeline/weights/tensor_names.hpp"

namespace wf {

/// Tensors by their names without prefixes; each points to its stored name and its entry.
using PlainTensors = std::map<std::string, const TensorIndex::value_type*>;

/// Throws environment, naming the file as `where`, the tensor that shows it, and what to use instead, when the tensors
/// - belong to another network than the one that is `wanted`: another kind or size of Wan, another model, a LoRA;
/// - are quantised in a form that is not read: NVFP4, MXFP8, 8 bit integers, bitsandbytes, SVDQuant, DFloat11, ...
/// What is only incomplete or has a wrong shape passes: the error of the missing or wrong tensor says more.
void refuse_foreign_network(Network wanted, const PlainTensors& tensors, const std::string& where);

}  // namespace wf
