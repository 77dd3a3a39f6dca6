#include <spdlog/fmt/fmt.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cluster/gpu.hpp"
#include "cluster/launch/start_ranks.hpp"
#include "cluster/node.hpp"
#include "launcher/doctor/own_findings.hpp"
#include "launcher/doctor/system_info.hpp"
#include "launcher/options/model_choice.hpp"
#include "parallel/device.hpp"
#include "pipeline/weights/model_files.hpp"

namespace wf {
namespace {

Finding processor() {
  const Node node = this_node();
  const std::string features = cpu_features();
  const bool fast = features.find("avx2") != std::string::npos;
  return {
      fast ? Finding::ok : Finding::warn, "processor",
      fmt::format("{} cores of {}, {}", node.cores, cpu_name(), features.empty() ? "without AVX2: slow" : features)};
}

Finding memory() {
  const std::uint64_t bytes = this_node().memory_bytes;
  return {bytes >> 30 < 4 ? Finding::warn : Finding::ok, "memory", gibibytes(bytes)};
}

Finding disk() {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(".", error);
  if (error) return {Finding::missing, "disk", "the current folder cannot be examined: " + error.message()};
  return {space.available < (1ull << 30) ? Finding::warn : Finding::ok, "disk",
          gibibytes(space.available) + " free here"};
}

Finding gpu(const Gpu& gpu, const CudaView& cuda) {
  const std::string driver = driver_version();
  const bool old = gpu.capability < std::atoi(cuda.architectures.c_str());  // the first architecture is the lowest
  return {old ? Finding::warn : Finding::ok, "GPU",
          fmt::format("{}, {}, sm {}{}{}", gpu.name, gibibytes(gpu.memory_bytes), gpu.capability,
                      driver.empty() ? "" : ", driver " + driver, old ? "; no kernel was compiled for it" : "")};
}

Findings gpus() {
  const CudaView cuda = cuda_view();
  Findings findings;
  for (const Gpu& found : cuda.gpus) findings.push_back(gpu(found, cuda));
  if (!findings.empty()) return findings;
  const std::vector<std::string> seen = gpus_of_driver();
  if (seen.empty()) return {{Finding::ok, "GPU", "none; clips are rendered on the CPU"}};
  const std::string why = cuda.version.empty() ? "this build has no CUDA: ./wanfarm --cuda" : cuda.problem;
  return {{Finding::warn, "GPU", join(seen, ", ") + ", cannot be used: " + why}};
}

}  // namespace

Findings node_findings() {
  Findings findings{processor(), memory(), disk()};
  for (Finding& finding : gpus()) findings.push_back(std::move(finding));
  return findings;
}

Finding starter_finding() {
  try {
    return {Finding::ok, "ranks", "started with " + launch_of(1, {}, environment()).command.front()};
  } catch (const Error& error) {
    return {Finding::warn, "ranks", error.what()};
  }
}

Findings model_findings(const ModelSource& flags) {
  try {
    const ModelSource model = chosen_model(flags, {});
    const ModelFiles files = find_model(model);
    Findings findings{{Finding::ok, "model", describe(model) + ", " + identity(files)}};
    for (const std::string& doubt : doubts(files)) findings.push_back({Finding::warn, "model", doubt});
    return findings;
  } catch (const Error& error) {
    return {{Finding::missing, "model", error.what()}};
  }
}

}  // namespace wf
