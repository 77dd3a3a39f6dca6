// launcher/cli/commands/finish.cpp: wanfarm finish RUN: completes the clips of which render --stop-at boundary has made
// drafts.
#include <algorithm>
#include <memory>
#include <set>

#include "base/error.hpp"
#include "base/log.hpp"
#include "jobs/list/selection.hpp"
#include "jobs/output/drafts.hpp"
#include "jobs/output/finished.hpp"
#include "jobs/record/run_info.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/cli/flags.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/run/on_finish.hpp"
#include "launcher/run/run.hpp"
#include "pipeline/weights/model_files.hpp"

namespace wf {
namespace {

struct FinishOptions {
  Path folder;
  RunOptions run;
  std::string only;
  std::vector<std::pair<std::string, std::string>> typed;  ///< flags of the run and their values, as the user gave them
};

/// Flags of a run that say how its clips are computed and written: `finish` takes them over from the drafts' run.
constexpr const char* taken_over[] = {"--precision",
                                      "--fp8-exact-steps",
                                      "--fp8-exact-blocks",
                                      "--weights",
                                      "--guidance-mode",
                                      "--attention",
                                      "--cuda-graphs",
                                      "--tf32",
                                      "--vae-precision",
                                      "--noise",
                                      "--codec",
                                      "--crf",
                                      "--encoder-preset",
                                      "--color",
                                      "--save-latents",
                                      "--png"};

std::vector<Flag> flags_into(RunOptions& run) {
  std::vector<Flag> flags = run_flags(run);
  flags.push_back(preset_flag({.hardware = &run.preset, .encoder = &run.video.preset}));
  return flags;
}

constexpr const char* help_of_preset =
    "maximum, balanced, constrained: of each GPU at most 80, 40 or 24 GB (--gpu-memory); nothing else, for clips are "
    "computed as their drafts were (a name that --encoder-preset takes stands for that flag)";

void set(std::vector<Flag>& flags, const std::string& name, const std::string& value) {
  std::ranges::find(flags, name, &Flag::names)->set(value);
}

/// Sets a flag from the settings of an earlier run, where switches are "on" or "off".
void take_over(std::vector<Flag>& flags, const std::string& name, const std::string& value) {
  const Flag& flag = *std::ranges::find(flags, name, &Flag::names);
  flag.set(!is_switch(flag) ? value : value == "on" ? "true" : "false");
}

/// Keeps a hardware preset from the arithmetic, which is that of the drafts; memory is left to it.
void keep_arithmetic(RunOptions& run) {
  if (!run.precision) run.precision_is_auto = true;
  if (!run.weights) run.weights = WeightForm::as_computed;
  if (!run.tf32) run.tf32 = false;
}

/// The options of the run that made the drafts, but for its model, with what the user has typed on top.
RunOptions options_of(const FinishOptions& options, const std::optional<RunInfo>& info) {
  RunOptions run;
  std::vector<Flag> flags = flags_into(run);
  if (info) {
    for (const char* const name : taken_over)
      if (const auto setting = info->settings.find(name); setting != info->settings.end())
        take_over(flags, name, setting->second);
    const auto old = info->settings.find("--preset");  // the name of --encoder-preset in older versions
    if (old != info->settings.end() && std::ranges::count(encoder_presets(), old->second) > 0)
      set(flags, "--encoder-preset", old->second);
    set(flags, "--precision", info->precision);
  }
  for (const auto& [name, value] : options.typed) set(flags, name, value);
  keep_arithmetic(run);
  run.output = options.folder;
  run.names_are_given = true;
  run.request = {{"RUN", options.folder.string()}, {"--only", options.only}};
  return run;
}

/// Throws input when this model, or this precision, is not the one that the drafts were made with: the clips would not
/// be those that the user has seen.
void check_recipe(const std::vector<Sidecar>& drafts, const ModelSource& model, const RunOptions& run) {
  const std::string id = identity(find_model(ready_model(model)));
  for (const Sidecar& draft : drafts) {
    const std::string what = draft.job.name + ": its draft was made with another ";
    if (draft.recipe.model_id != id)
      throw Error(Error::input, what + "model than " + describe(model) + "; give the draft's by --model and its like");
    if (run.precision && to_string(*run.precision) != draft.recipe.precision)
      throw Error(Error::input, what + "precision; give --precision " + draft.recipe.precision);
  }
}

/// The drafts whose clips are not finished, not under another name either, as after `render` with an edited list.
std::vector<Sidecar> unfinished_drafts(const Path& output) {
  const std::vector<Sidecar> drafts = find_drafts(output);
  std::vector<Job> jobs;
  std::vector<std::string> fingerprints;
  for (const Sidecar& draft : drafts) jobs.push_back(draft.job), fingerprints.push_back(draft.fingerprint);
  const FinishedClips finished = find_finished(output, jobs, fingerprints);
  std::vector<Sidecar> unfinished;
  for (std::size_t i = 0; i < drafts.size(); ++i)
    if (!finished.found.contains(i)) unfinished.push_back(drafts[i]);
  return unfinished;
}

/// The jobs of the chosen drafts. Clips that are the same but for their names share a state, so that they are finished
/// together.
std::vector<Job> chosen_jobs(const std::vector<Sidecar>& drafts, const std::string& only) {
  std::vector<Job> all, chosen;
  for (const Sidecar& draft : drafts) all.push_back(draft.job);
  std::set<std::string> names, fingerprints;
  for (const Job& job : select(all, only, 0, "draft that is left")) names.insert(job.name);
  for (const Sidecar& draft : drafts)
    if (names.contains(draft.job.name)) fingerprints.insert(draft.fingerprint);
  for (const Sidecar& draft : drafts)
    if (fingerprints.contains(draft.fingerprint)) chosen.push_back(draft.job);
  return chosen;
}

/// made_with: the model of the run that made the drafts.
RunRequest request_of(const std::vector<Sidecar>& drafts, const FinishOptions& options, const RunOptions& run,
                      const ModelSource& made_with) {
  const ModelSource model = chosen_model(run.model, made_with);
  check_recipe(drafts, model, run);
  return {.jobs = chosen_jobs(drafts, options.only),
          .model = model,
          .output = options.folder,
          .keeps_saved_forwards = true};
}

int finish(const FinishOptions& options) {
  const std::vector<Sidecar> drafts = unfinished_drafts(options.folder);
  if (drafts.empty()) {
    if (!std::filesystem::exists(options.folder / "drafts"))
      throw Error(Error::input,
                  options.folder.string() + ": has no drafts; `wanfarm render LIST --stop-at boundary` makes them");
    open_log(options.run.shown_level(), 0);
    spdlog::info("{}: all drafts are finished", options.folder.string());
    return 0;
  }
  const std::optional<RunInfo> info = read_run_info(options.folder);
  RunOptions run = options_of(options, info);
  if (const auto code = run_as_front_end(run, [&] { return options.folder; })) return *code;
  const ModelSource made_with = info ? info->model : ModelSource{};
  return wf::run([&] { return request_of(drafts, options, run, made_with); }, run);
}

/// The flags of a run but for --output, which RUN is. What is typed is checked at once, and kept.
std::vector<Flag> flags_of(FinishOptions& options) {
  std::vector<Flag> flags{
      {"RUN", "FOLDER", "the output folder that has the drafts", into(options.folder)},
      {"--only", "WHICH", "only these drafts, by number, range or name: 1,4-6,rain*", into(options.only)}};
  std::vector<Flag> of_run = flags_into(options.run);
  std::erase_if(of_run, [](const Flag& flag) { return flag.names == "--output"; });
  for (Flag& flag : of_run) {
    if (flag.names == "--model") flag.help = "the drafts' model, if it has been moved since";
    flag.set = [&options, name = flag.names, check = flag.set](const std::string& value) {
      check(value);
      options.typed.emplace_back(name, value);
    };
    if (flag.names == "--preset") flag.help = help_of_preset;
  }
  append(flags, std::move(of_run));
  return flags;
}

}  // namespace

Command finish_command() {
  const auto options = std::make_shared<FinishOptions>();
  return {.name = "finish",
          .summary = "Complete the clips of which `render --stop-at boundary` made drafts",
          .examples =
              "  wanfarm render prompts.yaml --stop-at boundary     drafts, in renders/drafts\n"
              "  wanfarm finish renders --only 2,5-7                those that are worth it\n"
              "  wanfarm finish renders --ranks 8                   all that are left\n",
          .flags = flags_of(*options),
          .run = [options] { return finish(*options); }};
}

}  // namespace wf
