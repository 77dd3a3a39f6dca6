#include "jobs/output/fingerprint.hpp"

#include <limits>

#include "base/check.hpp"
#include "base/error.hpp"
#include "base/sha256.hpp"
#include "jobs/list/settings.hpp"
#include "jobs/output/job_json.hpp"

namespace wf {

using Json = nlohmann::ordered_json;

namespace {

/// An integer; throws Error(input) when it does not fit, where nlohmann's get<int>() would truncate it.
int get_int(const Json& json, const char* key) {
  const auto value = json.at(key).get<std::int64_t>();
  if (!json.at(key).is_number_integer() || value < std::numeric_limits<int>::min() ||
      value > std::numeric_limits<int>::max())
    throw Error(Error::input, std::string(key) + " is out of range");
  return static_cast<int>(value);
}

/// null for an expert that is not guided.
Json json_of(const std::optional<double>& scale) { return scale ? Json(*scale) : Json(); }

std::optional<double> scale_from(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional(json.get<double>());
}

/// What decides on the pixels or on the file's timing. Where no expert is guided, nothing reads the negative prompt.
Json deciding_values(const Job& job) {
  Json json = clip_values(job);
  if (!job.guidance.any()) json.erase("negative_prompt");
  return json;
}

}  // namespace

Json clip_values(const Job& job) {
  return {{"prompt", job.prompt},
          {"negative_prompt", job.negative_prompt},
          {"seed", job.seed ? Json(*job.seed) : Json("random")},
          {"width", job.width},
          {"height", job.height},
          {"frames", job.frames},
          {"fps", job.fps},
          {"steps", job.steps},
          {"shift", job.shift},
          {"guidance", {{"high", json_of(job.guidance.high)}, {"low", json_of(job.guidance.low)}}},
          {"solver", to_string(job.solver)}};
}

Json json_of(const Job& job) {
  Json all = {{"name", job.name}, {"index", job.index}};
  all.update(clip_values(job));
  all["priority"] = job.priority;
  return all;
}

/// Leaves out choices with their default value, so that clips keep their fingerprints when a new choice is added.
Json json_of(const Recipe& recipe) {
  Json json = {{"model_id", recipe.model_id}, {"precision", recipe.precision}};
  if (recipe.tf32) json["tf32"] = true;
  if (recipe.noise != Recipe().noise) json["noise"] = recipe.noise;
  if (!recipe.weights.empty()) json["weights"] = recipe.weights;
  if (!recipe.attention.empty()) json["attention"] = recipe.attention;
  if (recipe.fp8_exact_steps) json["fp8_exact_steps"] = *recipe.fp8_exact_steps;
  if (!recipe.fp8_exact_blocks.empty()) json["fp8_exact_blocks"] = recipe.fp8_exact_blocks;
  return json;
}

Job job_from(const Json& json) {
  Job job;
  job.name = json.at("name").get<std::string>();
  job.index = get_int(json, "index");
  job.prompt = json.at("prompt").get<std::string>();
  job.negative_prompt = json.at("negative_prompt").get<std::string>();
  if (json.at("seed") != "random") {
    if (!json.at("seed").is_number_integer()) throw Error(Error::input, "seed is not a whole number");
    job.seed = json.at("seed").get<std::int64_t>();
  }
  job.width = get_int(json, "width");
  job.height = get_int(json, "height");
  job.frames = get_int(json, "frames");
  job.fps = get_int(json, "fps");
  job.steps = get_int(json, "steps");
  job.shift = json.at("shift").get<double>();
  job.guidance = {scale_from(json.at("guidance").at("high")), scale_from(json.at("guidance").at("low"))};
  job.solver = parse_solver(json.at("solver").get<std::string>());
  job.priority = get_int(json, "priority");
  return job;
}

Recipe recipe_from(const Json& json) {
  std::optional<std::int64_t> exact_steps;
  if (json.contains("fp8_exact_steps")) exact_steps = get_int(json, "fp8_exact_steps");
  return {json.at("model_id").get<std::string>(),
          json.at("precision").get<std::string>(),
          json.value("tf32", false),
          json.value("noise", Recipe().noise),
          json.value("weights", ""),
          json.value("attention", ""),
          exact_steps,
          json.value("fp8_exact_blocks", "")};
}

std::string fingerprint(const Job& job, const Recipe& recipe) {
  WF_CHECK(job.seed);
  return Sha256().update(Json{{"job", deciding_values(job)}, {"recipe", json_of(recipe)}}.dump()).hex();
}

std::string seedless_fingerprint(const Job& job) {
  Json json = deciding_values(job);
  json.erase("seed");
  return Sha256().update(json.dump()).hex();
}

std::string to_json(const Job& job) { return json_of(job).dump(); }

}  // namespace wf
