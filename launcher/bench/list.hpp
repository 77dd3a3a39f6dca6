// launcher/bench/list.hpp: bench list: a whole list rendered as `render` does, and compared with its plan.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "jobs/list/settings.hpp"
#include "launcher/bench/bench.hpp"
#include "launcher/bench/timeline.hpp"
#include "launcher/planner/planner.hpp"
#include "launcher/run/groups.hpp"

namespace wf {

/// What a run was planned for, the plan, and the name of each rank's node.
struct PlannedRun {
  PlanRequest request;
  PlacementPlan plan;
  std::vector<std::string> hosts;

  Groups groups() const { return make_groups(hosts, plan.group_size()); }
};

/// Measured and predicted figures of the list, the pools, the stages, and the memory of each rank. The planner assumes
/// that everything is loaded before the first clip and counts that into the list; here loading has lines of its own,
/// and neither the time of the list nor utilisation includes it.
Report list_report(const PlannedRun& run, const Timeline& measured);

/// One list to render.
struct ListToRender {
  Path file;
  int limit = 0;                ///< How many clips of the list, from its first; 0: all.
  const JobSettings& settings;  ///< Flags that win over the values of the list.
};

/// How bench_list() ended on this rank. Only rank 0 has a report, and only when all clips were rendered.
struct RenderedList {
  int exit_code = 0;
  std::optional<Report> report;
  nlohmann::ordered_json settings;  ///< The settings that the clips were rendered with.
};

/// Collective over all ranks of a run. Renders every clip again, into options.output, or into a temporary folder when
/// that is empty. Throws what run() throws.
RenderedList bench_list(const ListToRender& list, RunOptions options);

}  // namespace wf
