// jobs/list/model_keys.hpp: the keys `model` and `loras` of a list:
//   model: /data/Wan2.2-T2V-A14B                                  a folder
//   model: {high: H.safetensors, low: L.safetensors, text: T.safetensors, vae: V.safetensors, tokenizer: spiece.model}
//   model: {from: /data/Wan2.2-T2V-A14B, vae: V.safetensors}      a folder, and parts that replace its own
//   loras:
//     - {high: H.safetensors, low: L.safetensors, strength: 0.8}  strength: a number, or {high: 1, low: 0.5}; 1 if
//     absent
//     - {file: BOTH.safetensors}                                  one file for both experts
#pragma once

#include "jobs/list/tree_reader.hpp"
#include "jobs/model_source.hpp"

namespace wf {

/// The model of a list whose outermost map is `root`; empty where the list names none. Relative paths stay as they are.
/// What is wrong is reported: a key or value that is none, a model that has neither a folder nor all parts, an entry of
/// `loras` without a file.
ModelSource read_model_keys(const TreeNode& root, TreeReader& reader);

}  // namespace wf
