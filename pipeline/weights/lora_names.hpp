// pipeline/weights/lora_names.hpp: the names of the tensors in LoRA files, taken apart. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wf {

/// What a tensor of a LoRA file is to the change of one tensor W of an expert.
enum class LoraPart {
  down,        ///< [rank, in, ...]: lora_down, lora_A.
  up,          ///< [out, rank]: lora_up, lora_B. W becomes W + factor up down.
  up_bias,     ///< [out], the bias of `up` (PEFT's lora_bias): the layer's bias becomes bias + factor up_bias.
  alpha,       ///< One number: factor = alpha / rank.
  difference,  ///< As W: W becomes W + difference.
  other,       ///< Belongs to a method that is not merged.
};

/// For which of the two networks of Diffusers' pipeline a name is meant. `transformer` alone says nothing: files for
/// either network bear it.
enum class LoraOwner { any, transformer, transformer_2 };

/// The name of a tensor in a LoRA file.
struct LoraName {
  std::string target;  ///< Official name of the tensor that is changed: blocks.0.self_attn.q.weight.
  std::string layer;   ///< The layer as the file spells it, without prefixes: blocks.0.attn1.to_q.
  LoraPart part;
  LoraOwner owner;
  const char* method = "LoRA";  ///< Which method it is a part of, for messages: "DoRA", "LoHa", ...
};

/// Takes a name apart. Understood are, in any combination, the prefixes of ComfyUI, LightX2V, DiffSynth, PEFT and
/// Diffusers (diffusion_model., pipe.dit., base_model.model., transformer., ...), the layers' names with underscores of
/// kohya, musubi-tuner, VideoX-Fun and LyCORIS (lora_unet_blocks_0_self_attn_q), layers by their official names or
/// those of Diffusers, and the endings lora_down/lora_up, lora_A/lora_B (with the name of an adapter, with or without
/// .weight), alpha or lora_alpha, diff (weight), diff_b (bias), diff_m (modulation), w_norm, b_norm. Nothing for a
/// tensor that an expert of Wan 2.2 T2V-A14B does not have, such as the text encoder's, or an image embedding's.
std::optional<LoraName> parse_lora_name(std::string_view stored);

}  // namespace wf
