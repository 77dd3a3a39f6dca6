#include "launcher/bench/session.hpp"

#include <ATen/core/Tensor.h>
#include <spdlog/fmt/fmt.h>
#include <torch/version.h>

#include <algorithm>
#include <iostream>

#include "base/text.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/options/version.hpp"
#include "parallel/device.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

/// The command line of this process, without the quotes that the shell removed.
std::string command_line() {
  std::string line = read_file("/proc/self/cmdline");  // arguments that end with a zero byte each
  std::replace(line.begin(), line.end(), '\0', ' ');
  return line.substr(0, line.find_last_not_of(' ') + 1);
}

const char* to_string(Residency residency) {
  constexpr const char* names[] = {"resident", "swap", "one expert"};
  return names[static_cast<int>(residency)];
}

std::string settings_text(const Json& settings) {
  std::vector<std::string> texts;
  for (const auto& [key, value] : settings.items()) {
    if (key == "model_id" || key == "device") continue;
    std::string name = key;
    std::replace(name.begin(), name.end(), '_', ' ');
    texts.push_back(fmt::format("{} {}", name, value.is_string() ? value.get<std::string>() : value.dump()));
  }
  return join(texts, ", ");
}

void add_table(Json& json, std::string& text, const Table& table) {
  json[table.key] = to_json(table);
  text.append("\n").append(to_text(table));
}

}  // namespace

RunOptions with_mode(RunOptions run, BenchMode mode) {
  if (mode == BenchMode::flags) return run;
  const bool baseline = mode == BenchMode::baseline;
  const bool gpu = !chosen_execution(run).device.is_cpu();
  run.guidance_mode = baseline ? GuidanceMode::two : GuidanceMode::automatic;
  run.attention = !baseline ? AttentionBackend::automatic : gpu ? AttentionBackend::cudnn : AttentionBackend::math;
  run.tf32 = !baseline;
  run.planning.choices.mode = baseline ? std::optional(PlacementMode::swap) : std::nullopt;
  return run;
}

ModeSettings settings_for(const BenchOptions& options, BenchMode mode) {
  ModeSettings settings{to_string(mode), with_mode(options.run, mode), options.job};
  if (mode == BenchMode::baseline) settings.job.step_cache.reset(), settings.job.guidance_interval.reset();
  return settings;
}

Json settings_of(const Models& models, const Job& job) {
  const Execution& execution = models.execution();
  Json settings{{"model_id", models.id()},
                {"size", fmt::format("{}x{}", job.width, job.height)},
                {"frames", job.frames},
                {"steps", job.steps},
                {"shift", job.shift},
                {"solver", to_string(job.solver)},
                {"guidance", to_string(job.guidance)},
                {"device", execution.device.str()},
                {"device_name", device_name(execution.device)},
                {"text_device", execution.text_device.str()},
                {"precision", to_string(execution.precision)},
                {"weights", to_string(execution.weights)},
                {"attention", models.attention_name()},
                {"tf32", execution.tf32},
                {"vae", execution.vae == at::kBFloat16 ? "bf16" : "f32"},
                {"placement", to_string(execution.residency)},
                {"guidance_mode", to_string(execution.guidance)}};
  if (execution.exact_blocks.any()) settings["exact_blocks"] = to_string(execution.exact_blocks);
  if (job.step_cache) settings["step_cache"] = to_string(*job.step_cache);
  if (job.guidance_interval) settings["guidance_interval"] = to_string(*job.guidance_interval);
  if (job.saved.any()) settings["saved"] = saved_text(job);
  return settings;
}

Result result_of(const std::string& mode, const Report& report, const Json& settings) {
  Result result{mode, {{"mode", mode}}, {}, report.seconds, report.clip};
  result.json["settings"] = settings;
  result.json["measured"] = report.title;
  result.json["seconds"] = report.seconds;
  result.text = fmt::format("{}{}\n{}\n", mode == to_string(BenchMode::flags) ? "" : mode + ": ", report.title,
                            settings_text(settings));
  for (const Table& table : report.tables) add_table(result.json, result.text, table);
  if (!report.note.empty()) result.text.append("\n").append(report.note).append("\n");
  return result;
}

void print(const BenchOptions& options, const std::vector<Result>& results, const BenchSummary& summary) {
  Json json{{"bench", to_string(options.what)},
            {"command", command_line()},
            {"wanfarm", version},
            {"libtorch", TORCH_VERSION}};
  std::string text = fmt::format("wanfarm {}, LibTorch {}\n", version, TORCH_VERSION);
  for (const Result& result : results) {
    json["results"].push_back(result.json);
    text.append("\n").append(result.text);
  }
  if (options.modes.size() == 2) {
    const double before = results[0].seconds, after = results[1].seconds;
    json["speedup"] = before / after;
    text += fmt::format("\nspeed-up: {:.3f} s / {:.3f} s = {:.2f}\n", before, after, before / after);
  }
  for (const Table& table : summary.tables) add_table(json, text, table);
  if (!summary.note.empty()) text.append("\n").append(summary.note).append("\n");
  constexpr auto replace = Json::error_handler_t::replace;  // the command line may hold a path that is not UTF-8
  if (options.save_results) write_file(*options.save_results, json.dump(2, ' ', false, replace) + "\n");
  std::cout << (options.run.json ? json.dump(-1, ' ', false, replace) + "\n" : text) << std::flush;
}

}  // namespace wf
