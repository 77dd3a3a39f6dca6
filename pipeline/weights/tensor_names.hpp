// pipeline/weights/tensor_names.hpp: the names that programs give to the tensors of the three networks, translated to
// the official ones and back. No torch header; pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pipeline/weights/tensor_file.hpp"

namespace wf {

/// The kinds of network that a model consists of.
enum class Network { expert, text_encoder, vae };
constexpr const char* to_string(Network network) {
  constexpr const char* names[] = {"an expert of Wan 2.2 T2V-A14B", "the text encoder umT5", "the VAE of Wan 2.1"};
  return names[static_cast<int>(network)];
}

/// The U8 tensor with a SentencePiece model that ComfyUI's files of the text encoder carry.
inline constexpr const char* tokenizer_tensor = "spiece_model";

/// The stored name of every tensor by its official name. Understood are official names, those of Diffusers (experts,
/// VAE) and of Hugging Face's transformers (text encoder), each with the usual prefixes. What belongs to a layer
/// (X.weight, X.bias, X.scale_weight, X.weight_scale, X.comfy_quant, ...) is renamed with it; a name that no rule knows
/// is kept, as the marker scaled_fp8 is. Left out: the networks beside this one in a file that holds several, the
/// second copy of the token embedding, and the tokenizer (spiece_model).
///
/// Throws environment, naming the file as `where`, for another network or a form of weights that is not read, saying
/// which one it is and what to use instead (foreign_networks.hpp), and for two tensors with one official name.
std::map<std::string, std::string> official_names(Network network, const TensorIndex& tensors,
                                                  const std::string& where);

/// The inverse for a whole network: the name in Diffusers (experts, VAE) or transformers (text encoder) of each of
/// these official names.
std::map<std::string, std::string> diffusers_names(Network network, const std::vector<std::string>& official);

}  // namespace wf
