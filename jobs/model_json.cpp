#include "jobs/model_json.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const LoraSource& lora) {
  Json json = Json::object(), strength = Json::object();
  const auto add = [&](const char* expert, const Path& file, double of_expert) {
    if (file.empty()) return;
    json[expert] = file.string();
    strength[expert] = of_expert;
  };
  add("high", lora.high, lora.high_strength);
  add("low", lora.low, lora.low_strength);
  json["strength"] = strength;
  return json;
}

LoraSource lora_from(const Json& json) {
  const Json& strength = json.at("strength");
  return {json.value("high", ""), json.value("low", ""), strength.value("high", 1.0), strength.value("low", 1.0)};
}

}  // namespace

Json json_of(const ModelSource& source) {
  Json json = Json::object();
  for (const ModelPlace& place : model_places)
    if (const Path& path = source.*place.path; !path.empty()) json[std::string(place.key)] = path.string();
  for (const LoraSource& lora : source.loras) json["loras"].push_back(json_of(lora));
  const bool is_folder_alone = json.size() == 1 && !source.from.empty();
  return is_folder_alone ? json.at("from") : json;
}

ModelSource model_source_from(const Json& json) {
  ModelSource source;
  if (json.is_string()) {
    source.from = json.get<std::string>();
    return source;
  }
  for (const ModelPlace& place : model_places) source.*place.path = json.value(std::string(place.key), "");
  if (const auto loras = json.find("loras"); loras != json.end())
    for (const Json& lora : *loras) source.loras.push_back(lora_from(lora));
  return source;
}

}  // namespace wf
