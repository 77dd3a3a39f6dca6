#include "launcher/bench/together.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iostream>

#include "launcher/bench/team.hpp"
#include "launcher/commands/commands.hpp"
#include "launcher/model_choice.hpp"
#include "launcher/plan.hpp"
#include "launcher/planner/placement.hpp"
#include "parallel/device.hpp"
#include "parallel/mesh.hpp"
#include "parallel/nccl_communicator.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

/// This rank's part of its machine, as a run gives it; `run` gets the mode's settings.
Execution choose_execution(Team& team, RunOptions& run, const std::string& mode) {
  Execution execution;
  team.agree([&] {
    run = with_mode(run, mode);
    execution = own_share(run, team.process().place);
    facts_of(execution, run);  // keeps to --gpu-memory
    if (execution.device.is_cuda() && nccl_library().empty())
      throw Error(Error::environment, "this build has no NCCL, over which GPUs talk: --device cpu measures CPU ranks");
  });
  const bool some_on_gpus = team.most(execution.device.is_cuda() ? 1 : 0) > 0;
  team.agree([&] {
    if (some_on_gpus && execution.device.is_cpu())
      throw Error(Error::environment, "this rank sees no GPU, and others do; --device cpu makes them alike");
  });
  return execution;
}

/// Made once on each machine, if it has to be made, and found by all under the name that rank 0 has for it.
ModelParts read_parts(Team& team, const RunOptions& run, Precision precision) {
  std::string folder;
  team.agree([&] {
    if (team.process().place.local_rank == 0) folder = ready_model(chosen_model(run.model, {})).string();
  });
  folder = team.from(0, folder);
  ModelParts parts;
  team.agree([&] { parts = read_model(folder, precision); });
  return parts;
}

/// As in a run, each byte is read once on a machine.
void load_expert(Team& team, Models& models) {
  const std::vector<std::string>& hosts = team.process().hosts;
  std::vector<int> here;
  for (int other = 0; other < team.size(); ++other)
    if (hosts[static_cast<std::size_t>(other)] == hosts[static_cast<std::size_t>(team.rank())]) here.push_back(other);
  team.agree([&] {
    in_memory("bench forward", models.execution().device, [&] {
      if (here.size() == 1) return void(models.expert(Expert::high));
      models.load_ahead(Part::high_expert, *team.world().node_reader(here));
    });
  });
}

/// Those of the flags; what is left of the ranks goes to Ulysses.
Degrees chosen_degrees(const PlacementChoices& choices) {
  return {.guidance = std::max(choices.guidance, 1), .ulysses = choices.ulysses, .ring = std::max(choices.ring, 1)};
}

/// Of a group's larger half, where they differ.
Degrees degrees_of(const Mesh& mesh) {
  const Degrees half = mesh.halves.front();
  return {.guidance = static_cast<int>(mesh.halves.size()), .ulysses = half.ulysses, .ring = half.ring};
}

Result forward(Team& team, const BenchOptions& options, const std::string& mode) {
  RunOptions run = options.run;
  Execution execution = choose_execution(team, run, mode);
  const Degrees degrees = chosen_degrees(run.degrees);
  const Degrees all_ranks = degrees_of(make_mesh(team.size(), degrees));
  const std::string words = describe(all_ranks);
  const Job job = make_job(official_prompt, options.job);
  const ModelParts parts = read_parts(team, run, execution.precision);
  execution.guidance = guidance_modes(execution.guidance, all_ranks, execution.device.is_cuda()).front();
  Team::Communicators all = team.communicators(execution.device);
  execution.ranks = std::make_shared<RankGroup>(std::move(all.host), degrees,
                                                RankGroup::OnGpus{std::move(all.device), execution.device});
  const std::string whose = degrees.ulysses > 0 ? "" : " (without --ulysses it takes what is left)";
  Result result;
  {
    Models models(parts, execution);
    load_expert(team, models);
    const Report report = bench_forward(team, {models, job, options.runs, run}, words + whose);
    Json settings = settings_of(models, job);
    settings["ranks"] = team.size();
    settings["placement"] = words;
    result = result_of(mode, report, settings);
  }
  release_cached_memory(execution.device);
  return result;
}

Result comm(Team& team, const BenchOptions& options) {
  RunOptions run = options.run;
  const at::Device device = choose_execution(team, run, "").device;
  const Report report = bench_comm(team, device, options.runs);
  return result_of("", report,
                   {{"ranks", team.size()},
                    {"machines", team.process().place.nodes},
                    {"device", device.str()},
                    {"device_name", device_name(device)},
                    {"threads", run.threads}});
}

std::vector<Result> measure(Team& team, const BenchOptions& options) {
  if (options.what == "comm") return {comm(team, options)};
  std::vector<Result> results;
  for (const std::string& mode : modes_of(options.mode)) results.push_back(forward(team, options, mode));
  return results;
}

}  // namespace

void check_together(const BenchOptions& options, int ranks) {
  if (options.what == "forward") make_mesh(ranks, chosen_degrees(options.run.degrees));
}

std::vector<Result> measure_together(const BenchOptions& options, const Rank& rank) {
  try {
    Process process(rank);
    try {
      Team team(process);
      return measure(team, options);
    } catch (const std::exception&) {
      const Error error = current_error();
      std::cerr << fmt::format("wanfarm: rank {} ({}): {}\n", rank.rank,
                               process.hosts[static_cast<std::size_t>(rank.rank)], error.what());
      process.end(exit_code(error.kind()));
    }
  } catch (const Abandoned& abandoned) {
    if (abandoned.error) throw *abandoned.error;
    return {};
  }
}

}  // namespace wf
