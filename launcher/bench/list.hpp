// launcher/bench/list.hpp: a whole list rendered as `render` does, and what came of the plan that was made for it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launcher/bench/bench.hpp"
#include "launcher/bench/timeline.hpp"
#include "launcher/farm/groups.hpp"
#include "launcher/planner/planner.hpp"

namespace wf {

/// What a run was planned for, what was decided, and the machine of each rank.
struct PlannedRun {
  PlanRequest request;
  PlacementPlan plan;
  std::vector<std::string> hosts;

  Groups groups() const { return make_groups(hosts, plan.group_size()); }
};

/// Measured beside predicted: the list, the pools, the stages, the memory of each rank. The planner lets all be loaded
/// before the first clip; here loading is a line of its own, and neither its list nor its utilisation has it.
Report list_report(const PlannedRun& run, const Timeline& measured);

/// One list to render: the file, which of its clips, and the flags that win over its values.
struct ListToRender {
  Path file;
  int limit = 0;  ///< the first so many; 0: all
  const JobSettings& settings;
};

/// On every rank. What is measured, on rank 0 where all clips were rendered.
struct RenderedList {
  int exit_code = 0;
  std::optional<Report> report;
  nlohmann::ordered_json settings;  ///< how it ran
};
/// Into options.output, all clips anew, or into a folder that is gone afterwards. Throws what run() throws.
RenderedList bench_list(const ListToRender& list, RunOptions options);

}  // namespace wf
