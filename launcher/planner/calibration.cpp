// launcher/planner/calibration.cpp: reads measured figures of GPUs (hardware.hpp says how the file looks).
#include <cmath>
#include <nlohmann/json.hpp>

#include "cluster/error.hpp"
#include "launcher/planner/hardware.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;

constexpr std::pair<const char*, double GpuFigures::*> numbers[] = {
    {"token_seconds", &GpuFigures::token_seconds},
    {"pair_seconds", &GpuFigures::pair_seconds},
    {"f32_factor", &GpuFigures::f32_factor},
    {"decode_seconds", &GpuFigures::decode_seconds},
    {"decode_tf32_seconds", &GpuFigures::decode_tf32_seconds},
    {"text_seconds", &GpuFigures::text_seconds},
    {"memory_rate", &GpuFigures::memory_rate},
    {"host_rate", &GpuFigures::host_rate},
    {"node_rate", &GpuFigures::node_rate},
    {"world_rate", &GpuFigures::world_rate},
};

[[noreturn]] void wrong(const std::string& what) {
  throw Error(Error::input, "not a calibration: " + what + "; docs/placement.md shows one");
}

void set(GpuFigures& figures, const std::string& key, const Json& value) {
  if (key == "source" && value.is_string()) {
    figures.source = value;
    return;
  }
  for (const auto& [name, member] : numbers) {
    if (key != name) continue;
    const double number = value.is_number() ? value.get<double>() : 0;
    if (!(number > 0) || !std::isfinite(number)) wrong(key + " has to be a positive number");
    figures.*member = number;
    return;
  }
  wrong("unknown key " + key);
}

}  // namespace

GpuFigures calibrated(GpuFigures base, const Path& file) {
  return within(file.string(), [&] {
    const Json json = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || json.value("wanfarm_calibration", Json()) != 1 || !json.contains("gpus") ||
        !json["gpus"].is_object())
      wrong("it has to be {\"wanfarm_calibration\": 1, \"gpus\": {...}}");
    const Json& gpus = json["gpus"];
    if (!gpus.contains(base.kind)) return base;
    if (!gpus[base.kind].is_object()) wrong(base.kind + " has to be an object");
    base.source = "calibrated by " + file.string();
    for (const auto& [key, value] : gpus[base.kind].items()) set(base, key, value);
    return base;
  });
}

}  // namespace wf
