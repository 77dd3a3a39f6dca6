// Sources of the keys: the files that diffusers 0.35 and transformers 4.51 save.
#include "launcher/convert/layout_files.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pipeline/model/latent_statistics.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* diffusers_version = "0.35.2";

std::string text_of(const Json& json) { return json.dump(2) + "\n"; }

Json transformer_config(const DitConfig& c, std::int64_t text_dim) {
  Json config{{"_class_name", "WanTransformer3DModel"},
              {"_diffusers_version", diffusers_version},
              {"added_kv_proj_dim", nullptr},
              {"attention_head_dim", c.dim / c.num_heads},
              {"cross_attn_norm", true},
              {"eps", c.eps},
              {"ffn_dim", c.ffn_dim},
              {"freq_dim", c.freq_dim},
              {"image_dim", nullptr},
              {"in_channels", c.in_dim},
              {"num_attention_heads", c.num_heads},
              {"num_layers", c.num_layers},
              {"out_channels", c.out_dim},
              {"patch_size", {1, 2, 2}},
              {"pos_embed_seq_len", nullptr},
              {"qk_norm", "rms_norm_across_heads"},
              {"rope_max_seq_len", 1024},
              {"text_dim", text_dim}};
  if (c.text_len != DitConfig().text_len) config["text_len"] = c.text_len;  // Diffusers knows no other length
  return config;
}

/// The name of a dtype in torch. Weights in 8 bits are computed with in bf16.
const char* dtype_in_torch(DType type) {
  switch (type) {
    case DType::f32:
      return "float32";
    case DType::f16:
      return "float16";
    default:
      return "bfloat16";
  }
}

/// The encoder's layers between two that halve rows and columns.
struct VaeStage {
  std::int64_t width = 0, blocks = 0;
  bool halves_time = false;
};

std::vector<VaeStage> encoder_stages(const NetworkWeights& vae) {
  const std::int64_t layers = vae.count("encoder.downsamples");
  std::vector<VaeStage> stages(1);
  for (std::int64_t i = 0; i < layers; ++i) {
    const std::string layer = "encoder.downsamples." + std::to_string(i);
    if (vae.has(layer + ".resample.1.weight")) {
      stages.back().halves_time = vae.has(layer + ".time_conv.weight");
      stages.emplace_back();
    } else {
      stages.back().width = vae.entry(layer + ".residual.6.weight").shape.front();
      ++stages.back().blocks;
    }
  }
  return stages;
}

}  // namespace

NetworkPlace place_of_expert(Layout layout, Expert expert) {
  const bool high = expert == Expert::high;
  const char* folder = layout == Layout::official ? (high ? "high_noise_model" : "low_noise_model")
                                                  : (high ? "transformer" : "transformer_2");
  return {folder, "diffusion_pytorch_model"};
}

NetworkPlace place_of_text_encoder(Layout layout) {
  if (layout == Layout::official) return {"", "models_t5_umt5-xxl-enc-bf16", false};
  return {"text_encoder", "model"};
}

NetworkPlace place_of_vae(Layout layout) {
  if (layout == Layout::official) return {"", "Wan2.1_VAE", false};
  return {"vae", "diffusion_pytorch_model"};
}

Path folder_of_tokenizer(Layout layout) { return layout == Layout::official ? "google/umt5-xxl" : "tokenizer"; }

std::string expert_config(Layout layout, const DitConfig& config, std::int64_t text_dim) {
  return layout == Layout::official ? config_text(config) : text_of(transformer_config(config, text_dim));
}

std::string text_encoder_config(const NetworkWeights& text_encoder) {
  const std::vector<std::int64_t>& embedding = text_encoder.entry("token_embedding.weight").shape;
  const std::vector<std::int64_t>& bias = text_encoder.entry("blocks.0.pos_embedding.embedding.weight").shape;
  const std::int64_t inner = text_encoder.entry("blocks.0.attn.q.weight").shape[0];
  const std::int64_t layers = text_encoder.count("blocks");
  return text_of({{"architectures", {"UMT5EncoderModel"}},
                  {"classifier_dropout", 0.0},
                  {"d_ff", text_encoder.entry("blocks.0.ffn.fc1.weight").shape[0]},
                  {"d_kv", inner / bias[1]},
                  {"d_model", embedding[1]},
                  {"decoder_start_token_id", 0},
                  {"dense_act_fn", "gelu_new"},
                  {"dropout_rate", 0.1},
                  {"eos_token_id", 1},
                  {"feed_forward_proj", "gated-gelu"},
                  {"initializer_factor", 1.0},
                  {"is_encoder_decoder", true},
                  {"is_gated_act", true},
                  {"layer_norm_epsilon", 1e-6},
                  {"model_type", "umt5"},
                  {"num_decoder_layers", layers},
                  {"num_heads", bias[1]},
                  {"num_layers", layers},
                  {"pad_token_id", 0},
                  {"relative_attention_max_distance", 128},
                  {"relative_attention_num_buckets", bias[0]},
                  {"tokenizer_class", "T5Tokenizer"},
                  {"torch_dtype", dtype_in_torch(text_encoder.entry("token_embedding.weight").dtype)},
                  {"transformers_version", "4.51.3"},
                  {"use_cache", true},
                  {"vocab_size", embedding[0]}});
}

std::string vae_config(const NetworkWeights& vae) {
  const std::int64_t base = vae.entry("encoder.conv1.weight").shape[0];
  const std::vector<VaeStage> stages = encoder_stages(vae);
  Json widths = Json::array(), times = Json::array();
  for (const VaeStage& stage : stages) {
    widths.push_back(stage.width / base);
    if (&stage != &stages.back()) times.push_back(stage.halves_time);
  }
  return text_of({{"_class_name", "AutoencoderKLWan"},
                  {"_diffusers_version", diffusers_version},
                  {"attn_scales", Json::array()},
                  {"base_dim", base},
                  {"decoder_base_dim", nullptr},
                  {"dim_mult", widths},
                  {"dropout", 0.0},
                  {"in_channels", 3},
                  {"is_residual", false},
                  {"latents_mean", latent_mean},
                  {"latents_std", latent_std},
                  {"num_res_blocks", stages.front().blocks},
                  {"out_channels", 3},
                  {"patch_size", nullptr},
                  {"scale_factor_spatial", 8},
                  {"scale_factor_temporal", 4},
                  {"temperal_downsample", times},  // spelt so by diffusers
                  {"z_dim", static_cast<std::int64_t>(latent_mean.size())}});
}

std::string model_index() {
  return text_of({{"_class_name", "WanPipeline"},
                  {"_diffusers_version", diffusers_version},
                  {"boundary_ratio", 0.875},
                  {"expand_timesteps", false},
                  {"scheduler", {"diffusers", "UniPCMultistepScheduler"}},
                  {"text_encoder", {"transformers", "UMT5EncoderModel"}},
                  {"tokenizer", {"transformers", "T5TokenizerFast"}},
                  {"transformer", {"diffusers", "WanTransformer3DModel"}},
                  {"transformer_2", {"diffusers", "WanTransformer3DModel"}},
                  {"vae", {"diffusers", "AutoencoderKLWan"}}});
}

std::string scheduler_config() {
  return text_of({{"_class_name", "UniPCMultistepScheduler"},
                  {"_diffusers_version", diffusers_version},
                  {"beta_end", 0.02},
                  {"beta_schedule", "linear"},
                  {"beta_start", 0.0001},
                  {"disable_corrector", Json::array()},
                  {"dynamic_thresholding_ratio", 0.995},
                  {"final_sigmas_type", "zero"},
                  {"flow_shift", 12.0},
                  {"lower_order_final", true},
                  {"num_train_timesteps", 1000},
                  {"predict_x0", true},
                  {"prediction_type", "flow_prediction"},
                  {"rescale_betas_zero_snr", false},
                  {"sample_max_value", 1.0},
                  {"solver_order", 2},
                  {"solver_p", nullptr},
                  {"solver_type", "bh2"},
                  {"steps_offset", 0},
                  {"thresholding", false},
                  {"time_shift_type", "exponential"},
                  {"timestep_spacing", "linspace"},
                  {"trained_betas", nullptr},
                  {"use_beta_sigmas", false},
                  {"use_dynamic_shifting", false},
                  {"use_exponential_sigmas", false},
                  {"use_flow_sigmas", true},
                  {"use_karras_sigmas", false}});
}

}  // namespace wf
