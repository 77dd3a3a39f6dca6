#include "launcher/bench/session.hpp"

#include <ATen/core/Tensor.h>
#include <spdlog/fmt/fmt.h>
#include <torch/version.h>

#include <algorithm>
#include <iostream>

#include "launcher/model_choice.hpp"
#include "launcher/version.hpp"
#include "parallel/device.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

/// As typed, but for quotes.
std::string command_line() {
  std::string words = read_file("/proc/self/cmdline");  // each ends with a zero byte
  std::replace(words.begin(), words.end(), '\0', ' ');
  return words.substr(0, words.find_last_not_of(' ') + 1);
}

std::string in_words(const Json& settings) {
  std::vector<std::string> words;
  for (const auto& [key, value] : settings.items()) {
    if (key == "model_id" || key == "device") continue;
    std::string name = key;
    std::replace(name.begin(), name.end(), '_', ' ');
    words.push_back(fmt::format("{} {}", name, value.is_string() ? value.get<std::string>() : value.dump()));
  }
  return join(words, ", ");
}

}  // namespace

std::vector<std::string> modes_of(const std::string& mode) {
  return mode == "both" ? std::vector<std::string>{"baseline", "optimized"} : std::vector<std::string>{mode};
}

RunOptions with_mode(RunOptions run, const std::string& mode) {
  if (mode.empty()) return run;
  const bool baseline = mode == "baseline";
  const bool gpu = !chosen_execution(run).device.is_cpu();
  run.guidance_mode = baseline ? "two" : "auto";
  run.attention = !baseline ? "auto" : gpu ? "cudnn" : "math";
  run.tf32 = !baseline;
  run.placement = baseline ? "swap" : "auto";
  return run;
}

Json settings_of(const Models& models, const Job& job) {
  const Execution& execution = models.execution();
  return {{"model_id", models.id()},
          {"size", fmt::format("{}x{}", job.width, job.height)},
          {"frames", job.frames},
          {"steps", job.steps},
          {"shift", job.shift},
          {"device", execution.device.str()},
          {"device_name", device_name(execution.device)},
          {"text_device", execution.text_device.str()},
          {"precision", execution.precision == Precision::exact ? "exact" : "reference"},
          {"attention", models.attention_name()},
          {"tf32", execution.tf32},
          {"placement", execution.residency == Residency::exchanged ? "swap" : "resident"},
          {"guidance_mode", to_string(execution.guidance)}};
}

Result result_of(const std::string& mode, const Report& report, const Json& settings) {
  Result result{{{"mode", mode.empty() ? "flags" : mode}}, {}, report.seconds};
  result.json["settings"] = settings;
  result.json["measured"] = report.title;
  result.json["seconds"] = report.seconds;
  result.text = fmt::format("{}{}{}\n{}\n", mode, mode.empty() ? "" : ": ", report.title, in_words(settings));
  for (const Table& table : report.tables) {
    result.json[table.key] = to_json(table);
    result.text.append("\n").append(to_text(table));
  }
  if (!report.note.empty()) result.text.append("\n").append(report.note).append("\n");
  return result;
}

void tell(const BenchOptions& options, const std::vector<Result>& results) {
  Json json{{"bench", options.what}, {"command", command_line()}, {"wanfarm", version}, {"libtorch", TORCH_VERSION}};
  std::string text = fmt::format("wanfarm {}, LibTorch {}\n", version, TORCH_VERSION);
  for (const Result& result : results) {
    json["results"].push_back(result.json);
    text.append("\n").append(result.text);
  }
  if (results.size() == 2) {
    const double before = results[0].seconds, after = results[1].seconds;
    json["speedup"] = before / after;
    text += fmt::format("\nspeed-up: {:.3f} s / {:.3f} s = {:.2f}\n", before, after, before / after);
  }
  if (options.save_results) write_file(*options.save_results, json.dump(2) + "\n");
  std::cout << (options.run.json ? json.dump() + "\n" : text) << std::flush;
}

}  // namespace wf
