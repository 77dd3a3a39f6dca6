// launcher/cli/commands/network_text.hpp: what the headers of a checkpoint tell about the network in it, as a line for
// people.
#pragma once

#include <optional>
#include <string>

#include "pipeline/weights/checkpoint.hpp"
#include "pipeline/weights/model_files.hpp"
#include "pipeline/weights/tensor_names.hpp"

namespace wf {

/// Whose names the tensors have, and their dtypes, that of most bytes first: "official names, F8_E4M3 (scaled by
/// matrix), BF16". Throws what official_names() and find_scales() throw.
std::string form_text(Network network, const Checkpoint& checkpoint);

/// The network that the tensors are; empty if they are none of a model's.
std::optional<Network> network_in(const Checkpoint& checkpoint);

/// Whether the file holds a LoRA for experts of Wan 2.2 T2V-A14B, going by its names.
bool is_lora(const Checkpoint& checkpoint);

/// What a LoRA does to an expert: "LoRA: 30 matrices by rank 4, alpha 3; 12 tensors by differences". Throws what
/// read_lora_index() throws.
std::string lora_text(const Checkpoint& checkpoint, Expert expert);

}  // namespace wf
