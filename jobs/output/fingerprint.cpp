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

/// The lists that have steps. Clips without saved forwards keep the fingerprints of older versions.
Json json_of(const SavedForwards& saved) {
  Json json = Json::object();
  if (!saved.conditional.empty()) json["conditional"] = saved.conditional;
  if (!saved.unconditional.empty()) json["unconditional"] = saved.unconditional;
  if (!saved.unguided.empty()) json["unguided"] = saved.unguided;
  return json;
}

SavedForwards saved_from(const Json& json) {
  const auto steps = [&json](const char* key) { return json.value(key, std::vector<int>()); };
  return {steps("conditional"), steps("unconditional"), steps("unguided")};
}

/// What was asked for. A file's rule and table are not told: what they came to is.
StepCache step_cache_from(const std::string& text) {
  constexpr std::string_view with_rule = "magcache:";
  if (!text.starts_with(with_rule)) return {.rule = {}, .file = text};
  return {.rule = parse_step_cache_rule(text.substr(with_rule.size()))};
}

/// What decides on the pixels or on the file's timing. Where no expert is guided, nothing reads the negative prompt.
Json deciding_values(const Job& job) {
  Json json = clip_values(job);
  if (!job.guidance.any()) json.erase("negative_prompt");
  return json;
}

}  // namespace

Json clip_values(const Job& job) {
  Json json{{"prompt", job.prompt},
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
  if (job.saved.any()) json["saved"] = json_of(job.saved);
  return json;
}

Json json_of(const Job& job) {
  Json all = {{"name", job.name}, {"index", job.index}};
  all.update(clip_values(job));
  all["priority"] = job.priority;
  if (job.step_cache) all["step_cache"] = to_string(*job.step_cache);
  if (job.guidance_interval) all["guidance_interval"] = to_string(*job.guidance_interval);
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
  if (recipe.vae_bf16) json["vae"] = "bf16";
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
  if (json.contains("step_cache")) job.step_cache = step_cache_from(json["step_cache"].get<std::string>());
  if (json.contains("guidance_interval"))
    job.guidance_interval = parse_guidance_interval(json["guidance_interval"].get<std::string>()).value;
  if (json.contains("saved")) job.saved = saved_from(json["saved"]);
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
          json.value("fp8_exact_blocks", ""),
          json.value("vae", "") == "bf16"};
}

std::string fingerprint(const Job& job, const Recipe& recipe) {
  WF_CHECK(job.seed);
  return Sha256().update(Json{{"job", deciding_values(job)}, {"recipe", json_of(recipe)}}.dump()).hex();
}

std::string seedless_fingerprint(const Job& job) {
  Json json = deciding_values(job);
  for (const char* const later : {"seed", "saved"}) json.erase(later);
  if (job.step_cache) json["step_cache"] = to_string(*job.step_cache);
  if (job.guidance_interval) json["guidance_interval"] = to_string(*job.guidance_interval);
  return Sha256().update(json.dump(-1, ' ', false, Json::error_handler_t::replace)).hex();
}

std::vector<std::string> differing_values(const Job& a, const Recipe& recipe_of_a, const Job& b,
                                          const Recipe& recipe_of_b) {
  Json values = deciding_values(a), others = deciding_values(b);
  values.update(json_of(recipe_of_a));
  others.update(json_of(recipe_of_b));
  std::vector<std::string> names;
  const auto add = [&names](const std::string& key) { names.push_back(key == "model_id" ? "model" : key); };
  for (const auto& [key, value] : values.items())
    if (!others.contains(key) || others[key] != value) add(key);
  for (const auto& [key, value] : others.items())
    if (!values.contains(key)) add(key);
  return names;
}

/// The path of a step cache's file may have any encoding.
std::string to_json(const Job& job) { return json_of(job).dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace wf
