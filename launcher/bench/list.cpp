#include "launcher/bench/list.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/log.hpp"
#include "cluster/node.hpp"
#include "jobs/list/job_list.hpp"
#include "jobs/list/selection.hpp"
#include "jobs/output/sidecar.hpp"
#include "launcher/bench/folder.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/planner/predict.hpp"
#include "launcher/run/run.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

Prediction predicted_of(const PlannedRun& run) { return predict(run.request, shapes_of(run.request.jobs), run.plan); }

Column difference_column(const char* key = "difference_percent") { return {key, "difference %", 1}; }

/// A number, or an empty cell for 0, which stands for a figure that is not known.
Cell cell(double value) { return value > 0 ? Cell(value) : Cell(); }

double value_at(const std::map<Stage, double>& values, Stage stage) {
  const auto found = values.find(stage);
  return found == values.end() ? 0 : found->second;
}

/// Mean busy share of `groups` groups from group `first` on.
double mean_share(const std::vector<double>& busy, std::size_t first, int groups) {
  double sum = 0;
  for (int i = 0; i < groups; ++i) sum += busy.at(first + static_cast<std::size_t>(i));
  return sum / groups;
}

Table whole_list(const PlannedRun& run, const Prediction& predicted, const Timeline& measured) {
  Table table{"list",
              {{"figure", "the list"},
               {"unit", "unit"},
               {"measured", "measured", 2},
               {"planned", "planned", 2},
               difference_column()}};
  const auto add = [&](const std::string& figure, const char* unit, double seen, double planned) {
    table.rows.push_back({figure, unit, seen, cell(planned), difference_percent(seen, planned)});
  };
  const double clips = static_cast<double>(run.request.jobs.size());
  const double list = predicted.makespan - predicted.start_seconds;  // the planner's figure without loading
  add("loading before the first stage", "s", measured.loading, predicted.start_seconds);
  add("loading within stages", "s", measured.loading_in_stages, 0);
  add("from the first stage to the last file", "s", measured.list, list);
  add("clips an hour", "", 3600 * clips / measured.list, 3600 * clips / list);
  std::size_t group = 0;
  for (std::size_t i = 0; i < run.plan.pools.size(); ++i) {
    const Pool& pool = run.plan.pools[i];
    add("utilisation of pool " + pool.name, "%", 100 * mean_share(measured.busy, group, pool.groups),
        100 * predicted.use[i].utilisation * predicted.makespan / list);
    group += static_cast<std::size_t>(pool.groups);
  }
  return table;
}

/// The planner's sums of a stage over all clips of the list.
struct PlannedStage {
  double seconds = 0, steps = 0, clips = 0;
  double per_clip() const { return seconds / clips; }
  double per_step() const { return steps > 0 ? seconds / steps : 0; }
};

PlannedStage planned_stage(const PlannedRun& run, Stage stage) {
  PlannedStage planned;
  for (const PlannedShape& shape : shapes_of(run.request.jobs)) {
    const StageSeconds seconds =
        stage_seconds(run.request.hardware, run.request.model, run.plan, shape, run.request.execution);
    const auto clips = static_cast<double>(shape.clips);
    const std::int64_t steps = stage == Stage::high ? shape.high_steps : stage == Stage::low ? shape.low_steps : 0;
    planned.clips += clips;
    planned.seconds += clips * seconds_in(seconds, stage);
    planned.steps += clips * static_cast<double>(steps);
  }
  return planned;
}

Table stages(const PlannedRun& run, const Timeline& measured) {
  Table table{"stages",
              {{"stage", "stage"},
               {"s_per_clip", "s a clip", 3},
               {"planned_s_per_clip", "planned s", 3},
               difference_column("clip_difference_percent"),
               {"s_per_step", "s a step", 4},
               {"planned_s_per_step", "planned s", 4},
               difference_column("step_difference_percent")}};
  for (const Stage stage : all_stages) {
    const PlannedStage planned = planned_stage(run, stage);
    const double clip = value_at(measured.stage, stage), step = value_at(measured.step, stage);
    table.rows.push_back({std::string(to_string(stage)), cell(clip), cell(planned.per_clip()),
                          difference_percent(clip, planned.per_clip()), cell(step), cell(planned.per_step()),
                          difference_percent(step, planned.per_step())});
  }
  return table;
}

std::size_t pool_of_group(const PlacementPlan& plan, int group) {
  std::size_t pool = 0;
  for (int first = plan.pools[0].groups; group >= first; first += plan.pools[pool].groups) ++pool;
  return pool;
}

/// Predicted bytes in tensors: everything but the last part, which is a margin for all that is not in tensors.
std::uint64_t bytes_in_tensors(const RankMemory& memory) { return memory.total() - memory.parts.back().bytes; }

Table ranks(const PlannedRun& run, const Prediction& predicted, const Timeline& measured) {
  Table table{"ranks",
              {{"rank", "rank"},
               {"host", "machine"},
               {"pool", "pool"},
               {"peak_gib", "peak GiB", 2},
               {"planned_gib", "planned GiB", 2},
               difference_column()}};
  const Groups groups = run.groups();
  for (std::size_t rank = 0; rank < run.hosts.size(); ++rank) {
    const std::size_t pool = pool_of_group(run.plan, groups.of(static_cast<int>(rank)));
    const std::uint64_t peak = measured.peak[rank], planned = bytes_in_tensors(predicted.memory[pool]);
    table.rows.push_back({std::to_string(rank), run.hosts[rank], run.plan.pools[pool].name, in_gib(peak),
                          in_gib(planned),
                          difference_percent(static_cast<double>(peak), static_cast<double>(planned))});
  }
  return table;
}

/// Settings from the sidecar of the first clip, and where the planner's figures come from.
Json settings_of(const PlannedRun& run, const Path& output) {
  const Sidecar sidecar = read_sidecar(output / (run.request.jobs.front().name + ".json"));
  Json settings{{"model_id", run.request.model.id},
                {"precision", sidecar.recipe.precision},
                {"tf32", sidecar.recipe.tf32},
                {"codec", sidecar.codec},
                {"planner_figures", run.request.hardware.gpu.source}};
  for (const char* key : {"device", "device_name", "text_device", "attention", "guidance_mode", "weights", "threads"})
    if (const auto found = sidecar.how.find(key); found != sidecar.how.end()) settings[key] = found->second;
  return settings;
}

}  // namespace

Report list_report(const PlannedRun& run, const Timeline& measured) {
  const Prediction predicted = predicted_of(run);
  const std::size_t clips = run.request.jobs.size();
  return {fmt::format("{} clip{} on {} rank{}: {}", clips, clips == 1 ? "" : "s", run.hosts.size(),
                      run.hosts.size() == 1 ? "" : "s", describe(run.plan)),
          {whole_list(run, predicted, measured), stages(run, measured), ranks(run, predicted, measured)},
          measured.list,
          "planned: the planner assumes that all is loaded before the first stage, and counts that into a list; here "
          "loading has\n"
          "its own lines, and list, clips an hour and utilisation are without it. stages: without what was loaded in\n"
          "them. GiB: in tensors, without the planner's margin for the rest. pool: at the start"};
}

RenderedList bench_list(const ListToRender& list, RunOptions options) {
  std::optional<BenchFolder> folder;  // made by rank 0 alone; the others learn it with the run
  if (rank_from(environment()).rank == 0) folder.emplace(options.output);
  const auto read = [&] {
    const JobList all = read_job_list(list.file, list.settings);
    for (const std::string& warning : all.warnings) spdlog::warn("{}", warning);
    return RunRequest{.jobs = select(all.jobs, "", list.limit),
                      .model = chosen_model(options.model, all.model),
                      .output = folder->path()};
  };
  if (options.trace.empty()) options.trace = folder ? *folder / "trace.json" : Path("of rank 0");
  options.force = true;
  options.json = false;  // which would print a line for each clip
  std::optional<PlannedRun> planned;
  RenderedList rendered;
  rendered.exit_code =
      run(read, options, [&](const PlanRequest& request, const PlacementPlan& plan, const auto& hosts) {
        planned = {request, plan, hosts};
      });
  if (!folder || rendered.exit_code != 0) return rendered;
  rendered.report = list_report(*planned, timeline_of(read_file(options.trace), planned->groups()));
  rendered.settings = settings_of(*planned, folder->path());
  return rendered;
}

}  // namespace wf
