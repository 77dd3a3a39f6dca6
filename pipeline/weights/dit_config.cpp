#include "pipeline/weights/dit_config.hpp"

#include "pipeline/weights/broken_file.hpp"
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

}  // namespace

DitConfig read_dit_config(const Path& config_json) {
  const std::string where = config_json.string();
  const json file = read_strict_json(config_json);
  if (!file.is_object()) broken(where, "is not a JSON object");
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
  check_heads(config, where);
  return config;
}

}  // namespace wf
