#include "pipeline/weights/dit_config.hpp"

#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/network_weights.hpp"
#include "pipeline/weights/strict_json.hpp"

namespace wf {
namespace {

using nlohmann::json;

constexpr std::uint64_t largest =
    1 << 24;  // far above any published size, and products of two sizes stay within an int64

/// Reads an optional size: `value` keeps its default when the key is missing.
void read_size(const json& config, const char* key, std::int64_t& value, const std::string& where) {
  if (!config.contains(key)) return;
  const json& number = config[key];
  if (!number.is_number_unsigned() || number.get<std::uint64_t>() < 1 || number.get<std::uint64_t>() > largest)
    broken(where, std::string(key) + " must be a whole number from 1 to " + std::to_string(largest) + ", is " +
                      printable(number.dump()));
  value = number.get<std::int64_t>();
}

void require_size(const json& config, const char* key, std::int64_t& value, const std::string& where) {
  if (!config.contains(key)) broken(where, std::string("has no ") + key);
  read_size(config, key, value, where);
}

void read_eps(const json& config, double& eps, const std::string& where) {
  if (!config.contains("eps")) return;
  const json& number = config["eps"];
  if (!number.is_number() || !(number.get<double>() > 0) || number.get<double>() > 1)
    broken(where, "eps must be a number above 0 and at most 1, is " + printable(number.dump()));
  eps = number.get<double>();
}

void check_model_type(const json& config, const std::string& where) {
  if (!config.contains("model_type")) return;
  const json& type = config["model_type"];
  if (!type.is_string() || type.get_ref<const std::string&>() != "t2v")
    broken(where,
           "model_type is " + printable(type.dump()) + "; only text-to-video (\"t2v\", Wan2.2-T2V-A14B) is rendered");
}

void check_heads(const DitConfig& config, const std::string& where) {
  if (config.dim % config.num_heads != 0)
    broken(where,
           "dim " + std::to_string(config.dim) + " is not divisible by num_heads " + std::to_string(config.num_heads));
  if (config.dim / config.num_heads % 2 != 0)
    broken(where, "dim / num_heads is " + std::to_string(config.dim / config.num_heads) +
                      "; it must be even (rotary embedding turns pairs)");
  if (config.freq_dim % 2 != 0) broken(where, "freq_dim is " + std::to_string(config.freq_dim) + "; it must be even");
}

DitConfig read_official(const json& file, const std::string& where) {
  check_model_type(file, where);
  DitConfig config;
  require_size(file, "dim", config.dim, where);
  require_size(file, "ffn_dim", config.ffn_dim, where);
  require_size(file, "num_heads", config.num_heads, where);
  require_size(file, "num_layers", config.num_layers, where);
  read_size(file, "freq_dim", config.freq_dim, where);
  read_size(file, "in_dim", config.in_dim, where);
  read_size(file, "out_dim", config.out_dim, where);
  read_size(file, "text_len", config.text_len, where);
  read_eps(file, config.eps, where);
  return config;
}

void check_class(const json& file, const std::string& where) {
  const json name = file.value("_class_name", json("WanTransformer3DModel"));
  if (name != "WanTransformer3DModel")
    broken(where, "is the config of a " + printable(name.dump()) +
                      "; only the text-to-video transformer (WanTransformer3DModel of Wan2.2-T2V-A14B) is rendered");
  for (const char* key : {"image_dim", "added_kv_proj_dim"})
    if (file.contains(key) && !file[key].is_null())
      broken(where, std::string("has ") + key +
                        ": this is an image-to-video model of Wan 2.1; only Wan2.2-T2V-A14B is rendered");
}

DitConfig read_diffusers(const json& file, const std::string& where) {
  check_class(file, where);
  DitConfig config;
  std::int64_t head_dim = 0;
  require_size(file, "num_attention_heads", config.num_heads, where);
  require_size(file, "attention_head_dim", head_dim, where);
  require_size(file, "ffn_dim", config.ffn_dim, where);
  require_size(file, "num_layers", config.num_layers, where);
  read_size(file, "freq_dim", config.freq_dim, where);
  read_size(file, "in_channels", config.in_dim, where);
  read_size(file, "out_channels", config.out_dim, where);
  read_size(file, "text_len", config.text_len, where);  // not a key of Diffusers, but of what convert writes
  read_eps(file, config.eps, where);
  config.dim = config.num_heads * head_dim;
  return config;
}

}  // namespace

DitConfig read_dit_config(const Path& config_json) {
  const std::string where = config_json.string();
  const json file = read_strict_json(config_json);
  if (!file.is_object()) broken(where, "is not a JSON object");
  const DitConfig config =
      file.contains("num_attention_heads") ? read_diffusers(file, where) : read_official(file, where);
  check_heads(config, where);
  return config;
}

DitConfig dit_config_of(const NetworkWeights& expert) {
  constexpr std::int64_t head_dim = 128;
  DitConfig config;
  config.dim = expert.size("patch_embedding.weight", 0);
  config.in_dim = expert.size("patch_embedding.weight", 1);
  config.ffn_dim = expert.size("blocks.0.ffn.0.weight", 0);
  config.freq_dim = expert.size("time_embedding.0.weight", 1);
  config.out_dim = expert.size("head.head.weight", 0) / 4;  // of patches of 1 x 2 x 2
  config.num_layers = expert.count("blocks");
  const std::string where = expert.files().path().string();
  if (config.dim % head_dim != 0)
    broken(where, "an expert of width " + std::to_string(config.dim) +
                      " does not tell its number of heads; put its config.json beside it, or name the folder that it "
                      "belongs to (model: {from: FOLDER, high: FILE, ...})");
  config.num_heads = config.dim / head_dim;
  check_heads(config, where);
  return config;
}

std::string config_text(const DitConfig& c) {
  const nlohmann::ordered_json config{
      {"_class_name", "WanModel"},  {"dim", c.dim},         {"eps", c.eps},          {"ffn_dim", c.ffn_dim},
      {"freq_dim", c.freq_dim},     {"in_dim", c.in_dim},   {"model_type", "t2v"},   {"num_heads", c.num_heads},
      {"num_layers", c.num_layers}, {"out_dim", c.out_dim}, {"text_len", c.text_len}};
  return config.dump(2) + "\n";
}

}  // namespace wf
