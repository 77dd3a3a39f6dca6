#include "launcher/planner/placement.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace wf {

const Pool& PlacementPlan::pool_of(Stage stage) const {
  const auto has = [&](const Pool& pool) { return std::ranges::find(pool.stages, stage) != pool.stages.end(); };
  const auto found = std::ranges::find_if(pools, has);
  return found == pools.end() ? pools.front() : *found;
}

std::vector<GuidanceMode> guidance_modes(GuidanceMode asked, const Degrees& degrees, bool on_gpus) {
  if (asked != GuidanceMode::automatic) return {asked};
  const bool is_cut = degrees.guidance == 1 && degrees.ulysses * degrees.ring > 1;
  if (is_cut && on_gpus) return {GuidanceMode::batched, GuidanceMode::two};
  return {GuidanceMode::two};
}

std::string describe(const Degrees& degrees) {
  std::string text;
  const auto add = [&](const char* name, int degree) {
    if (degree > 1) text += fmt::format("{}{} {}", text.empty() ? "" : " x ", name, degree);
  };
  add("guidance", degrees.guidance);
  add("ulysses", degrees.ulysses);
  add("ring", degrees.ring);
  return text;
}

std::string describe(const PlacementPlan& plan) {
  std::string degrees = describe(plan.degrees);
  if (!degrees.empty()) degrees = " (" + degrees + ")";
  if (plan.pools.size() == 2) {
    const bool low_first = plan.pools[0].name == "low";
    return fmt::format("{} {}:{}{}, groups of {}{}", to_string(plan.mode), plan.pools[low_first ? 1 : 0].groups,
                       plan.pools[low_first ? 0 : 1].groups, low_first ? ", low-noise pool first" : "",
                       plan.group_size(), degrees);
  }
  const int groups = plan.pools[0].groups;
  const std::string blocks =
      plan.streamed_blocks > 0 ? fmt::format(" {}", count_text(static_cast<std::size_t>(plan.streamed_blocks), "block"))
                               : "";
  return fmt::format("{}{}, {} {} of {}{}", to_string(plan.mode), blocks, groups, groups == 1 ? "group" : "groups",
                     plan.group_size(), degrees);
}

std::string describe(const PlacementChoices& choices) {
  std::string text;
  const auto add = [&](const char* flag, const std::string& value) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", flag, value);
  };
  if (choices.mode) add("--placement", to_string(*choices.mode));
  for (const auto& [flag, forced] : {std::pair{"--cfg-parallel", choices.guidance},
                                     {"--ulysses", choices.ulysses},
                                     {"--ring", choices.ring},
                                     {"--high-ranks", choices.high_ranks},
                                     {"--low-ranks", choices.low_ranks}})
    if (forced > 0) add(flag, std::to_string(forced));
  if (!choices.split_decode) add("--no-split-decode", "true");
  if (choices.draft) add("--stop-at", "boundary");
  return text;
}

}  // namespace wf
