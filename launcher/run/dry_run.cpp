#include "launcher/run/dry_run.hpp"

#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "jobs/output/fingerprint.hpp"
#include "jobs/output/publish.hpp"
#include "launcher/options/model_choice.hpp"
#include "pipeline/weights/model_folder.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

/// Empty when the model is not there (yet): nothing can be done already then.
std::string model_id(const Path& model) {
  try {
    return identity(find_model(model));
  } catch (const Error&) {
    return "";
  }
}

std::string text_device_of(const PlacementChoices& choices) {
  if (!choices.text_on_cpu) return "auto";
  return *choices.text_on_cpu ? "cpu" : "cuda";
}

std::string placement_of(const PlacementChoices& choices) { return choices.mode ? to_string(*choices.mode) : "auto"; }

Json run_values(const Path& model, const Path& output, const RunOptions& options, const Execution& execution,
                const Recipe& recipe) {
  return {{"model", model.string()},
          {"model_id", recipe.model_id.empty() ? Json("not there") : Json(recipe.model_id)},
          {"output", output.string()},
          {"precision", recipe.precision},
          {"device", execution.device.str()},
          {"text_device", text_device_of(options.planning.choices)},
          {"placement", placement_of(options.planning.choices)},
          {"guidance_mode", to_string(options.guidance_mode)},
          {"attention", to_string(options.attention)},
          {"tf32", options.tf32},
          {"noise", recipe.noise},
          {"codec", to_string(options.video.codec)},
          {"crf", options.video.crf},
          {"preset", options.video.preset},
          {"save_latents", options.video.save_latents},
          {"png", options.video.png}};
}

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

void print_values(const Json& values, const std::string& indent) {
  for (const auto& [key, value] : values.items())
    std::cout << indent << std::left << std::setw(16) << key << text_of(value) << '\n';
}

}  // namespace

int dry_run(const RunRequest& request, const RunOptions& options, const Execution& execution) {
  const auto& [jobs, model, output] = request;
  const Recipe recipe = recipe_of(model_id(model), execution);
  const Json run = run_values(model, output, options, execution, recipe);
  if (!options.json) print_values(run, "");
  std::size_t finished = 0;
  for (const Job& job : jobs) {
    const bool done = job.seed && finished_clip(output, job, fingerprint(job, recipe));
    finished += done;
    Json values = Json::parse(to_json(job));
    if (options.json) {
      std::cout << Json{{"name", job.name}, {"status", done ? "finished" : "waiting"}, {"job", values}}.dump() << '\n';
      continue;
    }
    std::cout << '\n' << job.name << (done ? "  (finished)\n" : "\n");
    print_values(values, "  ");
  }
  const std::string summary = std::to_string(jobs.size()) + " clips, " + std::to_string(finished) + " of them finished";
  std::cout << (options.json ? Json{{"run", run}, {"clips", jobs.size()}, {"finished", finished}}.dump()
                             : "\n" + summary)
            << '\n';
  return 0;
}

}  // namespace wf
