#include "launcher/options/unused_gpus.hpp"

#include <spdlog/fmt/fmt.h>

#include "base/text.hpp"

namespace wf {

std::string unused_gpus_text(const std::vector<std::string>& gpus, bool has_cuda) {
  if (gpus.empty()) return "";
  return fmt::format("computing on the CPU, although the driver lists {}: {} (--device cpu, if that is meant)",
                     join(gpus, ", "),
                     has_cuda ? "this build sees none of them, 'wanfarm doctor' says why"
                              : "this build has no CUDA, './wanfarm --cuda --version' makes one that has");
}

}  // namespace wf
