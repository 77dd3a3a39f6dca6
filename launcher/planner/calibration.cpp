#include "launcher/planner/calibration.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::pair<const char*, double GpuFigures::*> numbers[] = {
    {"token_seconds", &GpuFigures::token_seconds},
    {"pair_seconds", &GpuFigures::pair_seconds},
    {"f32_factor", &GpuFigures::f32_factor},
    {"decode_seconds", &GpuFigures::decode_seconds},
    {"decode_tf32_seconds", &GpuFigures::decode_tf32_seconds},
    {"decode_bf16_seconds", &GpuFigures::decode_bf16_seconds},
    {"text_seconds", &GpuFigures::text_seconds},
    {"memory_rate", &GpuFigures::memory_rate},
    {"host_rate", &GpuFigures::host_rate},
    {"node_rate", &GpuFigures::node_rate},
    {"world_rate", &GpuFigures::world_rate},
    {"message_seconds", &GpuFigures::message_seconds},
    {"threads", &GpuFigures::threads},
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

/// The whole file as JSON. What it has for each kind is not checked yet.
Json read_calibration(const Path& file) {
  Json json = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.value("wanfarm_calibration", Json()) != 1 || !json.contains("gpus") ||
      !json["gpus"].is_object())
    wrong("it has to be {\"wanfarm_calibration\": 1, \"gpus\": {...}}");
  return json;
}

}  // namespace

GpuFigures calibrated(GpuFigures base, const Path& file) {
  return within(file.string(), [&] {
    const Json json = read_calibration(file);
    const Json& gpus = json["gpus"];
    if (!gpus.contains(base.kind)) return base;
    if (!gpus[base.kind].is_object()) wrong(base.kind + " has to be an object");
    base.source = "calibrated by " + file.string();
    for (const auto& [key, value] : gpus[base.kind].items()) set(base, key, value);
    return base;
  });
}

Path user_cache_folder(const Environment& variables) {
  const std::string own = value_of(variables, "WANFARM_CACHE"), cache = value_of(variables, "XDG_CACHE_HOME");
  return !own.empty()     ? Path(own)
         : !cache.empty() ? Path(cache) / "wanfarm"
                          : Path(value_of(variables, "HOME")) / ".cache/wanfarm";
}

Path calibration_file(const Environment& variables) { return user_cache_folder(variables) / "calibration.json"; }

GpuFigures chosen_figures(const std::string& kind, int threads, const std::optional<Path>& given) {
  const GpuFigures built_in = kind == "cpu" ? cpu_figures(threads) : gpu_figures(kind);
  const Path file = given ? *given : calibration_file(environment());
  if (!given && !std::filesystem::exists(file)) return built_in;
  return with_threads(calibrated(built_in, file), threads);
}

void save_calibration(const GpuFigures& figures, const Path& file) {
  within(file.string(), [&] {
    Json json = std::filesystem::exists(file) ? read_calibration(file)
                                              : Json{{"wanfarm_calibration", 1}, {"gpus", Json::object()}};
    Json& kind = json["gpus"][figures.kind] = Json{{"source", figures.source}};
    for (const auto& [name, member] : numbers)
      if (figures.*member > 0) kind[name] = figures.*member;
    make_folder(file.parent_path());
    write_file(file, json.dump(1) + "\n");
  });
}

}  // namespace wf
