#include "pipeline/weights/foreign_networks.hpp"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>

#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/foreign_files.hpp"

namespace wf {
namespace {

/// What a file is, and the tensor that shows it.
struct Finding {
  std::string what;
  std::string evidence;
};

/// A part of a network that tells which one it is: names that start with this.
struct Mark {
  const char* start;
  const char* network;
};

const TensorIndex::value_type* first_starting(const PlainTensors& tensors, std::string_view start) {
  const auto found = tensors.lower_bound(std::string(start));
  return found != tensors.end() && found->first.starts_with(start) ? found->second : nullptr;
}

std::optional<Finding> find_mark(const PlainTensors& tensors, std::span<const Mark> marks) {
  for (const Mark& mark : marks)
    if (const auto* tensor = first_starting(tensors, mark.start))
      return Finding{mark.network, "it has a tensor " + printable(tensor->first)};
  return std::nullopt;
}

const TensorEntry* entry_of(const PlainTensors& tensors, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const auto found = tensors.find(name); found != tensors.end()) return &found->second->second;
  return nullptr;
}

// ---- Experts. The first mark that is found counts, since some of these networks hold the parts of others as well.

constexpr Mark other_wans[] = {
    {"vace_", "Wan VACE"},
    {"pose_patch_embedding.", "Wan 2.2 Animate"},
    {"motion_encoder.", "Wan 2.2 Animate"},
    {"face_adapter.", "Wan 2.2 Animate"},
    {"audio_injector.", "Wan 2.2 S2V (speech to video)"},
    {"casual_audio_encoder.", "Wan 2.2 S2V (speech to video)"},
    {"audio_proj.", "a variant of Wan that is driven by sound"},
    {"control_adapter.", "a Fun Camera variant of Wan"},
    {"ref_conv.", "a Fun Control variant of Wan"},
    {"fps_embedding.", "SkyReels V2"},
    {"img_emb.", "Wan 2.1 I2V (image to video)"},
    {"condition_embedder.image_embedder.", "Wan 2.1 I2V (image to video)"},
    {"blocks.0.cross_attn.k_img.", "Wan 2.1 I2V (image to video)"},
    {"blocks.0.attn2.add_k_proj.", "Wan 2.1 I2V (image to video)"},
};

constexpr Mark no_experts[] = {
    {"double_blocks.0.img_attn", "a network of the kind of Flux or HunyuanVideo"},
    {"single_transformer_blocks.", "Flux"},
    {"joint_blocks.", "Stable Diffusion 3"},
    {"patchify_proj.", "LTX-Video"},
    {"transformer_blocks.", "a transformer of another model"},
    {"input_blocks.", "a U-Net of Stable Diffusion"},
    {"down_blocks.", "a U-Net of Stable Diffusion"},
    {"encoder.block.", "a text encoder of the T5 kind"},
    {"token_embedding.", "a text encoder of the T5 kind"},
    {"shared.", "a text encoder of the T5 kind"},
    {"decoder.", "a VAE"},
};

bool is_lora_part(std::string_view name) {
  for (const char* part : {".lora_up.", ".lora_down.", ".lora_A.", ".lora_B.", ".hada_w", ".lokr_w"})
    if (name.find(part) != std::string_view::npos) return true;
  return name.ends_with(".diff") || name.ends_with(".diff_b");
}

std::optional<Finding> find_lora(const PlainTensors& tensors) {
  for (const auto& [name, tensor] : tensors)
    if (is_lora_part(name))
      return Finding{"a LoRA (give it with --lora or under loras:)", "it has a tensor " + printable(tensor->first)};
  return std::nullopt;
}

std::string wan_with_inputs(std::int64_t channels, std::int64_t width) {
  if (channels == 36) return "an I2V or InP expert of Wan 2.2 (image to video)";
  if (channels == 48 && width == 3072) return "Wan 2.2 TI2V-5B";
  return "a variant of Wan with inputs besides noise and text";
}

std::optional<Finding> find_other_inputs(const PlainTensors& tensors) {
  const TensorEntry* patches = entry_of(tensors, {"patch_embedding.weight"});
  if (!patches || patches->shape.size() != 5 || patches->shape[1] == 16) return std::nullopt;
  return Finding{
      wan_with_inputs(patches->shape[1], patches->shape[0]),
      "its patch_embedding takes " + std::to_string(patches->shape[1]) + " channels, the latents of T2V-A14B have 16"};
}

/// The published sizes of Wan 2.1's small model, which has the tensors of an expert.
std::optional<Finding> find_small_wan(const PlainTensors& tensors) {
  const TensorEntry* up = entry_of(tensors, {"blocks.29.ffn.0.weight", "blocks.29.ffn.net.0.proj.weight"});
  if (!up || up->shape != std::vector<std::int64_t>{8960, 1536} || first_starting(tensors, "blocks.30."))
    return std::nullopt;
  return Finding{"Wan 2.1 T2V-1.3B", "it has 30 blocks of width 1536, an expert of T2V-A14B has 40 of width 5120"};
}

std::optional<Finding> find_other_than_expert(const PlainTensors& tensors) {
  if (auto lora = find_lora(tensors)) return lora;
  if (auto wan = find_mark(tensors, other_wans)) return wan;
  if (auto wan = find_other_inputs(tensors)) return wan;
  if (auto wan = find_small_wan(tensors)) return wan;
  if (first_starting(tensors, "patch_embedding.") || first_starting(tensors, "blocks.0.self_attn.") ||
      first_starting(tensors, "blocks.0.attn1."))
    return std::nullopt;
  if (auto other = find_mark(tensors, no_experts)) return other;
  return Finding{"another network", "it has neither patch_embedding nor blocks.0.self_attn"};
}

// ---- Text encoders.

constexpr Mark no_text_encoders[] = {
    {"text_model.", "a text encoder of the CLIP kind"},
    {"transformer.resblocks.", "a text encoder of the CLIP kind"},
    {"vision_model.", "an image encoder"},
    {"visual.", "an image encoder"},
    {"model.layers.", "a language model"},
    {"layers.", "a language model"},
    {"patch_embedding.", "an expert or another DiT"},
    {"blocks.0.self_attn.", "an expert or another DiT"},
    {"decoder.conv", "a VAE"},
};

/// T5 v1.1 and mT5 have the position bias in block 0 alone, umT5 has one in each block.
std::optional<Finding> find_other_t5(const PlainTensors& tensors) {
  const std::string bias = ".layer.0.SelfAttention.relative_attention_bias.";
  if (!first_starting(tensors, "encoder.block.0" + bias) || first_starting(tensors, "encoder.block.1" + bias) ||
      !first_starting(tensors, "encoder.block.1."))
    return std::nullopt;
  return Finding{"T5 v1.1 or mT5", "it has a relative_attention_bias in block 0 alone, umT5 has one in each block"};
}

std::optional<Finding> find_other_than_umt5(const PlainTensors& tensors) {
  if (auto other = find_other_t5(tensors)) return other;
  if (first_starting(tensors, "encoder.block") || first_starting(tensors, "blocks.0.attn.")) return std::nullopt;
  if (auto other = find_mark(tensors, no_text_encoders)) return other;
  if (first_starting(tensors, "token_embedding.") || first_starting(tensors, "shared.")) return std::nullopt;
  return Finding{"another network", "it has neither encoder.block.0 nor blocks.0.attn"};
}

// ---- VAEs.

constexpr Mark other_vaes[] = {
    {"encoder.downsamples.0.downsamples.", "the VAE of Wan 2.2 TI2V-5B"},
    {"decoder.upsamples.0.upsamples.", "the VAE of Wan 2.2 TI2V-5B"},
    {"encoder.down_blocks.0.resnets.0.norm1.gamma", "the VAE of Wan 2.2 TI2V-5B"},
    {"decoder.up_blocks.0.upsampler.", "the VAE of Wan 2.2 TI2V-5B"},
    {"decoder.0.", "a tiny VAE for previews (TAE)"},
    {"decoder.1.", "a tiny VAE for previews (TAE)"},
    {"encoder.0.", "a tiny VAE for previews (TAE)"},
    {"decoder.up.0.", "a VAE for images (Stable Diffusion, Flux)"},
    {"decoder.conv_in.conv.", "the VAE of another video model"},
    {"decoder.up_blocks.0.resnets.0.norm1.weight", "a VAE for images (Stable Diffusion, Flux)"},
};

constexpr Mark no_vaes[] = {
    {"patch_embedding.", "an expert or another DiT"}, {"blocks.0.self_attn.", "an expert or another DiT"},
    {"blocks.0.attn1.", "an expert or another DiT"},  {"token_embedding.", "a text encoder of the T5 kind"},
    {"shared.", "a text encoder of the T5 kind"},     {"encoder.block.", "a text encoder of the T5 kind"},
};

std::optional<Finding> find_wide_latents(const PlainTensors& tensors) {
  const TensorEntry* in = entry_of(tensors, {"conv2.weight", "post_quant_conv.weight"});
  if (!in || in->shape.empty() || in->shape[0] != 48) return std::nullopt;
  return Finding{"the VAE of Wan 2.2 TI2V-5B", "its latents have 48 channels, those of T2V-A14B have 16"};
}

std::optional<Finding> find_other_than_vae(const PlainTensors& tensors) {
  if (auto other = find_wide_latents(tensors)) return other;
  if (auto other = find_mark(tensors, other_vaes)) return other;
  if (auto other = find_mark(tensors, no_vaes)) return other;
  if (first_starting(tensors, "decoder.") || first_starting(tensors, "encoder.")) return std::nullopt;
  return Finding{"another network", "it has neither encoder nor decoder"};
}

// ---- Forms of weights.

/// A tensor that goes with a weight in some form: names that end in this.
struct FormMark {
  const char* end;
  const char* form;
};

constexpr FormMark form_marks[] = {
    {".weight_scale_2", "NVFP4"},      {".qweight", "GPTQ, AWQ or SVDQuant"}, {".wscales", "SVDQuant (Nunchaku)"},
    {".quant_map", "bitsandbytes"},    {".absmax", "bitsandbytes"},           {".SCB", "bitsandbytes (8 bit)"},
    {".encoded_exponent", "DFloat11"}, {".sign_mantissa", "DFloat11"},        {"._data", "quanto"},
};

bool is_whole(DType type) {
  return type == DType::i64 || type == DType::i32 || type == DType::i16 || type == DType::i8 || type == DType::u8 ||
         type == DType::boolean;
}

std::optional<std::string> form_of_weight(const std::string& name, const TensorEntry& entry) {
  for (const FormMark& mark : form_marks)
    if (name.ends_with(mark.end)) return mark.form;
  if (name.ends_with(".weight_scale") && entry.dtype == DType::u8) return "MXFP8 or MXFP4";
  if (name.ends_with(".weight_scale") && entry.dtype == DType::f8_e4m3) return "NVFP4";
  if (!name.ends_with(".weight") || !is_whole(entry.dtype)) return std::nullopt;
  if (entry.dtype == DType::u8) return "4 bits (NVFP4, MXFP4, nf4)";
  return std::string("whole numbers (") + to_string(entry.dtype) + ")";
}

void refuse_foreign_forms(const PlainTensors& tensors, const std::string& where) {
  for (const auto& [name, tensor] : tensors)
    if (const auto form = form_of_weight(name, tensor->second))
      broken(where, "its weights are quantised as " + *form + ", by tensor " + printable(tensor->first) +
                        ": this form is not read; " + use_read_form);
}

// ---- All networks.

std::optional<Finding> find_other_than(Network wanted, const PlainTensors& tensors) {
  switch (wanted) {
    case Network::expert:
      return find_other_than_expert(tensors);
    case Network::text_encoder:
      return find_other_than_umt5(tensors);
    case Network::vae:
      return find_other_than_vae(tensors);
  }
  return std::nullopt;
}

const char* file_to_use(Network wanted) {
  switch (wanted) {
    case Network::expert:
      return "wan2.2_t2v_high_noise_14B_fp16.safetensors and wan2.2_t2v_low_noise_14B_fp16.safetensors";
    case Network::text_encoder:
      return "models_t5_umt5-xxl-enc-bf16.pth or umt5_xxl_fp8_e4m3fn_scaled.safetensors";
    case Network::vae:
      return "Wan2.1_VAE.pth or wan_2.1_vae.safetensors";
  }
  return "";
}

}  // namespace

void refuse_foreign_network(Network wanted, const PlainTensors& tensors, const std::string& where) {
  if (const auto found = find_other_than(wanted, tensors))
    broken(where, "is " + found->what + ", not " + to_string(wanted) + ": " + found->evidence + "; use " +
                      file_to_use(wanted) + ", for example");
  refuse_foreign_forms(tensors, where);
}

}  // namespace wf
