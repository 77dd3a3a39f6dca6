#include "launcher/bench/multi_rank.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iostream>

#include "base/log.hpp"
#include "jobs/model_json.hpp"
#include "launcher/bench/team.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/planner/placement.hpp"
#include "launcher/planner/run_plan.hpp"
#include "launcher/run/groups.hpp"
#include "parallel/device.hpp"
#include "parallel/mesh.hpp"
#include "parallel/nccl_communicator.hpp"
#include "parallel/node_reader.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

/// The device and threads that a run would give this rank; `run` gets the settings of the mode.
Execution choose_execution(Team& team, RunOptions& run, BenchMode mode) {
  Execution execution;
  team.agree([&] {
    run = with_mode(run, mode);
    execution = own_share(run, team.process().place);
    resources_of(execution, run.gpu_memory);  // limits this process to --gpu-memory
    if (execution.device.is_cuda() && nccl_library().empty())
      throw Error(Error::environment,
                  "this build has no NCCL, which GPUs need to communicate: --device cpu measures CPU ranks");
  });
  const bool some_on_gpus = team.most(execution.device.is_cuda() ? 1 : 0) > 0;
  team.agree([&] {
    if (some_on_gpus && execution.device.is_cpu())
      throw Error(Error::environment, "this rank sees no GPU, and others do; --device cpu makes all ranks use the CPU");
  });
  return execution;
}

/// A random model is written by one rank of each node; all ranks then read it under the name that rank 0 has for it.
ModelParts read_parts(Team& team, const RunOptions& run, const Execution& execution) {
  std::string model;  // as MessagePack, since its paths need not be UTF-8
  team.agree([&] {
    if (team.process().place.local_rank == 0)
      Json::to_msgpack(json_of(absolute(ready_model(chosen_model(run.model, {})))), model);
  });
  const ModelSource source = model_source_from(Json::from_msgpack(team.from(0, model)));
  ModelParts parts;
  team.agree([&] { parts = read_model(source, execution); });
  if (team.rank() == 0)
    for (const std::string& warning : parts.warnings) spdlog::warn("{}", warning);
  return parts;
}

/// The ranks of a node share the reading, as in a run: each byte is read once on a node.
void load_expert(Team& team, Models& models) {
  const std::vector<int> here = ranks_of_node(team.process().hosts, team.rank());
  team.agree([&] {
    in_memory("bench forward", models.execution().device, [&] {
      if (here.size() == 1) return void(models.expert(Expert::high));
      NodeReader reader(team.world(), here, {.deadline = team.deadline()});
      models.load_ahead(Part::high_expert, reader);
    });
  });
}

/// The degrees of the flags. Ulysses 0 takes the ranks that guidance and ring leave.
Degrees chosen_degrees(const PlacementChoices& choices) {
  return {.guidance = std::max(choices.guidance, 1), .ulysses = choices.ulysses, .ring = std::max(choices.ring, 1)};
}

/// The degrees of a mesh. Where its guidance branches differ, the first one is the larger.
Degrees degrees_of(const Mesh& mesh) {
  const Degrees branch = mesh.branches.front();
  return {.guidance = static_cast<int>(mesh.branches.size()), .ulysses = branch.ulysses, .ring = branch.ring};
}

/// Of a forward, or of decoding.
Result shared_work(Team& team, const BenchOptions& options, BenchMode mode) {
  RunOptions run = options.run;
  Execution execution = choose_execution(team, run, mode);
  const Degrees degrees = chosen_degrees(run.planning.choices);
  const Degrees all_ranks = degrees_of(make_mesh(team.size(), degrees));
  const std::string placement = describe(all_ranks);
  const Job job = make_job(official_prompt, options.job);
  const ModelParts parts = read_parts(team, run, execution);
  execution.guidance = guidance_modes(execution.guidance, all_ranks, execution.device.is_cuda()).front();
  Team::Communicators all = team.communicators(execution.device);
  execution.ranks = std::make_shared<RankGroup>(std::move(all.host), degrees,
                                                RankGroup::OnGpus{std::move(all.device), execution.device});
  const std::string how_chosen = degrees.ulysses > 0 ? "" : " (without --ulysses it takes what is left)";
  Result result;
  {
    Models models(parts, execution);
    const Bench bench{models, job, options.runs, run};
    if (options.what == BenchKind::forward) load_expert(team, models);
    const Report report = options.what == BenchKind::forward ? bench_forward(team, bench, placement + how_chosen)
                                                             : bench_vae(team, bench);
    Json settings = settings_of(models, job);
    settings["ranks"] = team.size();
    settings["placement"] = placement;
    result = result_of(mode, report, settings);
  }
  release_cached_memory(execution.device);
  return result;
}

Result comm(Team& team, const BenchOptions& options) {
  RunOptions run = options.run;
  const at::Device device = choose_execution(team, run, BenchMode::flags).device;
  const Report report = bench_comm(team, device, options.runs);
  return result_of(BenchMode::flags, report,
                   {{"ranks", team.size()},
                    {"machines", team.process().place.nodes},
                    {"device", device.str()},
                    {"device_name", device_name(device)},
                    {"threads", run.threads}});
}

/// Every rank that decodes has a row of the latents.
void check_rows(const BenchOptions& options, int ranks) {
  const Job job = make_job(official_prompt, options.job);
  if (decoding_ranks(job, /*split_decode=*/true, ranks) == ranks) return;
  throw Error(Error::input,
              fmt::format("a clip of {} rows is divided over at most {} ranks", job.height, job.height / 8));
}

std::vector<Result> measure(Team& team, const BenchOptions& options) {
  if (options.what == BenchKind::comm) return {comm(team, options)};
  std::vector<Result> results;
  for (const BenchMode mode : options.modes) results.push_back(shared_work(team, options, mode));
  return results;
}

}  // namespace

void check_together(const BenchOptions& options, int ranks) {
  if (options.what == BenchKind::vae) check_rows(options, ranks);
  if (options.what == BenchKind::forward) make_mesh(ranks, chosen_degrees(options.run.planning.choices));
}

std::vector<Result> measure_together(const BenchOptions& options, const Rank& rank) {
  try {
    RankProcess process(rank);
    try {
      Team team(process, options.run.collective_timeout);
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
