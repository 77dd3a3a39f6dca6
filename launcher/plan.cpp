#include "launcher/plan.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "cluster/error.hpp"
#include "cluster/log.hpp"
#include "launcher/planner/memory_model.hpp"
#include "parallel/device.hpp"

namespace wf {
namespace {

/// What the flags allow, best first.
std::vector<Execution> candidates(const Execution& base, const RunOptions& options) {
  std::vector<Execution> all;
  for (const Residency residency : {Residency::both, Residency::exchanged}) {
    if (options.placement != "auto" && (options.placement == "swap") != (residency == Residency::exchanged)) continue;
    for (const bool text_on_gpu : {true, false}) {
      if (options.text_device != "auto" && (options.text_device == "cuda") != text_on_gpu) continue;
      for (const bool keep : {true, false}) {
        if (keep ? residency == Residency::exchanged && text_on_gpu : !text_on_gpu) continue;
        Execution each = base;
        each.residency = residency;
        each.text_device = text_on_gpu ? base.device : at::Device(at::kCPU);
        each.keep_text_encoder = keep;
        all.push_back(each);
      }
    }
  }
  // A text encoder on the CPU is slow: only where nothing else fits.
  std::stable_partition(all.begin(), all.end(), [](const Execution& e) { return !e.text_device.is_cpu(); });
  return all;
}

std::uint64_t largest_need(const ModelParts& parts, const Execution& execution, const std::vector<Job>& jobs) {
  std::uint64_t most = 0;
  for (const Job& job : jobs) most = std::max(most, peak_bytes_needed(parts, execution, job));
  return most;
}

std::string words(const Execution& execution) {
  const char* text = execution.text_device.is_cpu() ? "text encoder on the CPU"
                     : execution.keep_text_encoder  ? "text encoder beside them"
                                                    : "text encoder before them";
  return fmt::format("experts {}, {}", execution.residency == Residency::exchanged ? "exchanged" : "resident", text);
}

[[noreturn]] void nothing_fits(std::uint64_t least, std::uint64_t room, const std::vector<Execution>& tried) {
  const bool all_tried = tried.back().residency == Residency::exchanged && tried.back().text_device.is_cpu();
  throw Error(
      Error::environment,
      fmt::format("the GPU's memory does not suffice: tensors need {} at least, {} can be had; what helps: {}a "
                  "smaller --size or fewer --frames",
                  gibibytes(least), gibibytes(room), all_tried ? "" : "--placement auto and --text-device auto, "));
}

}  // namespace

Execution plan(const ModelParts& parts, const std::vector<Job>& jobs, Execution execution, const RunOptions& options) {
  if (execution.device.is_cpu()) {
    if (options.text_device == "cuda")
      throw Error(Error::input, "--text-device cuda: the run itself is on the CPU (--device)");
    return execution;
  }
  if (options.gpu_memory > 0) limit_memory(execution.device, options.gpu_memory);
  const std::uint64_t limit = memory_limit(execution.device);
  const std::uint64_t room = limit > margin_bytes ? limit - margin_bytes : 0;
  const std::vector<Execution> all = candidates(execution, options);
  std::uint64_t least = ~0ull;
  for (const Execution& each : all) {
    const std::uint64_t need = largest_need(parts, each, jobs);
    least = std::min(least, need);
    if (need > room) continue;
    spdlog::info("{}: {}; the largest clip takes {} of {}", device_name(each.device), words(each), gibibytes(need),
                 gibibytes(limit));
    return each;
  }
  nothing_fits(least, room, all);
}

}  // namespace wf
