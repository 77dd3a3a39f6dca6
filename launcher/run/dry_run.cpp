#include "launcher/run/dry_run.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "jobs/model_json.hpp"
#include "jobs/output/fingerprint.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/planner/run_plan.hpp"
#include "launcher/planner/saved_forwards.hpp"
#include "launcher/run/earlier_runs.hpp"
#include "pipeline/weights/model_files.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

/// What is known of a model before anything is rendered.
struct KnownModel {
  std::string id;  ///< Empty when the model cannot be read, or is not there yet: nothing can be done already then.
  bool is_rounded_to_fp8 = false;
  std::vector<std::string> warnings = {};
  std::optional<ModelParts> parts = {};  ///< where its headers had to be read
};

/// saves: whether clips save forwards, which ones the model's headers decide.
KnownModel look_at(const ModelSource& model, const Execution& execution, bool saves) {
  try {
    if (!saves && execution.weights == WeightForm::as_computed && !execution.exact_blocks.any()) {
      const ModelFiles files = find_model(model);
      return {.id = identity(files), .warnings = doubts(files)};
    }
    const ModelParts parts = read_model(model, execution);
    return {parts.id, parts.is_rounded_to_fp8, parts.warnings, parts};
  } catch (const Error& error) {
    if (error.kind() == Error::input) throw;
    const bool is_to_come = !model.from.empty() && !std::filesystem::exists(model.from);
    if (is_to_come) return {};
    return {.id = "", .warnings = {std::string("the model cannot be read: ") + error.what()}};
  }
}

std::string text_device_of(const PlacementChoices& choices) {
  if (!choices.text_on_cpu) return "auto";
  return *choices.text_on_cpu ? "cpu" : "cuda";
}

std::string placement_of(const PlacementChoices& choices) { return choices.mode ? to_string(*choices.mode) : "auto"; }

Json run_values(const Json& model, const Path& output, const RunOptions& options, const Execution& execution,
                const Recipe& recipe) {
  Json values{{"model", model},
              {"model_id", recipe.model_id.empty() ? Json("not there") : Json(recipe.model_id)},
              {"output", output.string()},
              {"precision", recipe.precision},
              {"weights", to_string(execution.weights)},
              {"device", execution.device.str()},
              {"text_device", text_device_of(options.planning.choices)},
              {"placement", placement_of(options.planning.choices)},
              {"guidance_mode", to_string(options.guidance_mode)},
              {"attention", to_string(options.attention)},
              {"cuda_graphs", to_string(options.cuda_graphs)},
              {"tf32", execution.tf32},
              {"vae", execution.vae == at::kBFloat16 ? "bf16" : "f32"},
              {"noise", recipe.noise},
              {"codec", to_string(options.video.codec)},
              {"crf", options.video.crf},
              {"encoder_preset", options.video.preset},
              {"color", to_string(options.video.color)},
              {"save_latents", options.video.save_latents},
              {"png", options.video.png}};
  if (options.preset) values["preset"] = to_string(*options.preset);
  if (!execution.device.is_cpu()) values["gpu_memory"] = options.gpu_memory > 0 ? gibibytes(options.gpu_memory) : "all";
  if (recipe.fp8_exact_steps) values["exact_steps"] = *recipe.fp8_exact_steps;
  if (!recipe.fp8_exact_blocks.empty()) values["exact_blocks"] = recipe.fp8_exact_blocks;
  return values;
}

/// One line of JSON, which has to be UTF-8, although paths may hold any bytes.
std::string one_line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

void print_values(const Json& values, const std::string& indent) {
  for (const auto& [key, value] : values.items())
    std::cout << indent << std::left << std::setw(16) << key << text_of(value) << '\n';
}

/// What a run would do with each clip: render it, or not, and why.
struct Fate {
  std::string status;   ///< for --json: waiting, finished, renamed, copy
  std::string text;     ///< for people; empty for a clip that will be rendered
  std::string of = {};  ///< the clip that it is now, or a copy of which it becomes
  /// For --json: values that a finished clip of its name has otherwise, which it replaces; what that clip lacks.
  std::vector<std::string> replaces = {}, lacks = {};
};

/// What a run would do with all of them.
struct Fates {
  std::vector<Fate> of_clips;
  std::vector<std::string> rendered_again;  ///< for people
};

Fates fates_of(const RunRequest& request, const Recipe& recipe, const RunOptions& options) {
  const FinishedClips clips = finished_clips(request.output, request.jobs, recipe, options);
  std::vector<Fate> fates(request.jobs.size(), Fate{"waiting", ""});
  for (const auto& [clip, fault] : clips.damaged) fates[clip].text = "to be rendered again: " + fault;
  for (const auto& [clip, sidecar] : clips.replaced) {
    fates[clip].replaces = differing_values(sidecar.job, sidecar.recipe, request.jobs[clip], recipe);
    fates[clip].text = fmt::format("replaces a clip of other values: {}", fmt::join(fates[clip].replaces, ", "));
  }
  for (const auto& [clip, missing] : clips.lacking) {
    fates[clip].lacks = missing;
    fates[clip].text = fmt::format("to be rendered again for what is missing: {}", fmt::join(missing, ", "));
  }
  for (const auto& [clip, sidecar] : clips.found) {
    const std::string& name = sidecar.job.name;
    fates[clip] = {"finished", name == request.jobs[clip].name ? "finished" : "finished, stays " + name, name};
  }
  for (const std::size_t clip : clips.renamed)
    fates[clip] = {"renamed", "finished, will be renamed from " + fates[clip].of, fates[clip].of};
  for (const auto& [clip, original] : clips.copies) {
    const std::string& name = request.jobs[original].name;
    fates[clip].status = "copy", fates[clip].text = "copy of " + name, fates[clip].of = name;
  }
  return {std::move(fates), rendered_again(clips, request.jobs, recipe)};
}

/// How many clips there are, and how many have each fate.
void print_counts(const Json& run, const Fates& all, bool json) {
  const std::vector<Fate>& fates = all.of_clips;
  const auto count = [&](std::string_view status) {
    return std::ranges::count(fates, status, [](const Fate& fate) { return fate.status; });
  };
  const auto renamed = count("renamed"), finished = count("finished") + renamed, copies = count("copy");
  if (json) {
    std::cout << one_line({{"run", run},
                           {"clips", fates.size()},
                           {"finished", finished},
                           {"renamed", renamed},
                           {"copies", copies}})
              << '\n';
    return;
  }
  std::cout << fmt::format("\n{} {}: {} finished", fates.size(), fates.size() == 1 ? "clip" : "clips", finished);
  if (renamed > 0) std::cout << fmt::format(" ({} to be renamed)", renamed);
  if (copies > 0) std::cout << fmt::format(", {} {}", copies, copies == 1 ? "copy" : "copies");
  std::cout << fmt::format(", {} to render\n", count("waiting"));
  for (const std::string& sentence : all.rendered_again) std::cout << sentence << '\n';
}

/// The values of a clip as people read them.
Json readable(const Job& job) {
  Json values = Json::parse(to_json(job));
  values["guidance"] = to_string(job.guidance);
  if (const std::string text = saved_text(job); !text.empty()) values["saved"] = text;
  return values;
}

Json line_of(const Job& job, const Fate& fate) {
  Json line{{"name", job.name}, {"status", fate.status}};
  if (!fate.of.empty() && fate.of != job.name) line["of"] = fate.of;
  if (!fate.replaces.empty()) line["replaces"] = fate.replaces;
  if (!fate.lacks.empty()) line["lacks"] = fate.lacks;
  line["job"] = Json::parse(to_json(job));
  return line;
}

}  // namespace

int dry_run(RunRequest request, const RunOptions& options, const Execution& execution) {
  const auto& [jobs, model, output, keys, keeps_saved] = request;
  const bool saves = !keeps_saved && saves_forwards(jobs);
  const KnownModel known = look_at(model, execution, saves);
  for (const std::string& warning : known.warnings) spdlog::warn("{}", warning);
  if (saves && known.parts)
    for (const std::string& note : find_saved_forwards(request.jobs, *known.parts)) spdlog::info("{}", note);
  const Recipe recipe = recipe_of(known.id, execution, known.is_rounded_to_fp8);
  const Json shown_model = options.json ? json_of(model) : Json(describe(model));
  const Json run = run_values(shown_model, output, options, execution, recipe);
  if (!options.json) print_values(run, "");
  const Fates fates = fates_of(request, recipe, options);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (options.json) {
      std::cout << one_line(line_of(jobs[i], fates.of_clips[i])) << '\n';
      continue;
    }
    const std::string& text = fates.of_clips[i].text;
    std::cout << '\n' << jobs[i].name << (text.empty() ? "" : "  (" + text + ")") << '\n';
    print_values(readable(jobs[i]), "  ");
  }
  print_counts(run, fates, options.json);
  return 0;
}

}  // namespace wf
