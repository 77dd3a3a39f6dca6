#include "pipeline/weights/peft_config.hpp"

#include <cmath>

#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/strict_json.hpp"

namespace wf {
namespace {

using nlohmann::json;

/// The value of a key; null, as for a key that is not there, where PEFT has no value.
json value_of(const json& config, const std::string& key) {
  const auto found = config.find(key);
  return found == config.end() ? json() : *found;
}

double read_number(const json& value, const std::string& key, const std::string& where) {
  if (!value.is_number()) broken(where, printable(key) + " is not a number");
  return value.get<double>();
}

bool read_switch(const json& config, const std::string& key, const std::string& where) {
  const json value = value_of(config, key);
  if (value.is_null()) return false;
  if (!value.is_boolean()) broken(where, key + " is not true or false");
  return value.get<bool>();
}

std::map<std::string, double> read_patterns(const json& config, const std::string& key, const std::string& where) {
  const json value = value_of(config, key);
  if (value.is_null()) return {};
  if (!value.is_object()) broken(where, key + " is not an object");
  std::map<std::string, double> patterns;
  for (const auto& [pattern, alpha] : value.items()) {
    if (pattern.find_first_of("^$*+?()[]{}|\\", pattern.starts_with('^')) != std::string::npos)
      broken(where, key + " has the regular expression " + printable(pattern) + "; only names of layers are read");
    patterns.emplace(pattern, read_number(alpha, key + " of " + pattern, where));
  }
  return patterns;
}

/// PEFT's rule: a pattern holds for a name that is it, or ends with it after a dot; "^name" for that name alone.
bool holds_for(const std::string& pattern, const std::string& layer) {
  if (pattern.starts_with('^')) return layer == pattern.substr(1);
  return layer == pattern || layer.ends_with("." + pattern);
}

}  // namespace

double PeftConfig::factor(const std::string& layer, std::int64_t rank, const std::string& where) const {
  std::optional<double> own;
  for (const auto& [pattern, value] : alpha_of) {
    if (!holds_for(pattern, layer)) continue;
    if (own && *own != value) broken(where, "alpha_pattern has two values for " + printable(layer));
    own = value;
  }
  if (!own) own = alpha;
  const double size = static_cast<double>(rank);
  return own ? *own / (is_rank_stabilised ? std::sqrt(size) : size) : 1;
}

PeftConfig parse_peft_config(std::string_view text, const std::string& prefix, const std::string& where) {
  const json config = parse_strict_json(text, where);
  if (!config.is_object()) broken(where, "is not an object");
  if (read_switch(config, prefix + "use_dora", where))
    broken(where, prefix + "use_dora: a DoRA is not merged; use a LoRA file, or an expert into which it is merged");
  PeftConfig read;
  if (const json alpha = value_of(config, prefix + "lora_alpha"); !alpha.is_null())
    read.alpha = read_number(alpha, prefix + "lora_alpha", where);
  read.alpha_of = read_patterns(config, prefix + "alpha_pattern", where);
  read.is_rank_stabilised = read_switch(config, prefix + "use_rslora", where);
  return read;
}

}  // namespace wf
