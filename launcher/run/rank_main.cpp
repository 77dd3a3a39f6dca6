#include "launcher/run/rank_main.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>
#include <thread>

#include "base/log.hpp"
#include "base/trace.hpp"
#include "launcher/planner/dispatch_setup.hpp"
#include "launcher/run/loading.hpp"
#include "launcher/run/pipeline_work.hpp"
#include "launcher/run/worker.hpp"
#include "parallel/device.hpp"
#include "parallel/device_span.hpp"
#include "parallel/mpi_communicator.hpp"
#include "parallel/nccl_communicator.hpp"

namespace wf {
namespace {

/// The ranks of a group as text for sidecars: "2", "0-3", "0,2".
std::string describe_ranks(const std::vector<int>& ranks) {
  const bool in_a_row = ranks.back() - ranks.front() + 1 == std::ssize(ranks);
  if (ranks.size() == 1) return std::to_string(ranks.front());
  return in_a_row ? fmt::format("{}-{}", ranks.front(), ranks.back()) : fmt::format("{}", fmt::join(ranks, ","));
}

/// Makes the communicators of this rank's group; null if the process is alone or the group has one rank. Ends with a
/// barrier of all ranks, at which each sets the clock of its trace to zero.
std::shared_ptr<const RankGroup> make_group(const std::vector<int>& ranks, const Degrees& degrees, at::Device device,
                                            World* world, const Waiting& waiting) {
  if (!world) return nullptr;
  const std::unique_ptr<Communicator> all = mpi_communicator(*world, waiting);
  std::shared_ptr<const RankGroup> group;
  if (ranks.size() > 1) {
    std::unique_ptr<Communicator> gpus;
    if (device.is_cuda()) gpus = nccl_communicator(all->subgroup(ranks), device, waiting, ranks);
    group = std::make_shared<RankGroup>(all->subgroup(ranks), degrees, RankGroup::OnGpus{std::move(gpus), device});
  }
  all->barrier();
  trace::zero();
  return group;
}

/// The texts of the clips that are not finished.
std::vector<std::string> texts_of(const RunSpec& run) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < run.jobs.size(); ++i)
    if (!std::ranges::binary_search(run.finished, i))
      std::ranges::move(texts_of(run.jobs[i]), std::back_inserter(texts));
  return texts;
}

/// If the text encoder runs on the CPU and the experts on a GPU, starts a thread that embeds the texts ahead of their
/// clips, so that the GPU does not wait for them. Otherwise, or unless `does_texts`, the result is no running thread.
std::jthread embed_texts_in_background(const RunSpec& run, Models& models, bool does_texts) {
  const Execution& execution = models.execution();
  if (!does_texts || execution.device.is_cpu() || !execution.text_device.is_cpu()) return {};
  return std::jthread([&models, texts = texts_of(run)](const std::stop_token& stop) {
    trace::name_thread("texts");
    embed_in_background(texts, models, stop);
  });
}

}  // namespace

void compute(const JoinedRun& joined, const Groups& groups, const RankContext& rank) {
  const PlacementPlan& plan = joined.run.plan;
  const int group = groups.of(rank.agent.rank());
  const std::vector<int>& ranks = groups.ranks[static_cast<std::size_t>(group)];
  Execution execution = execution_for(plan, rank.base);
  const Waiting waiting{.deadline = rank.options.collective_timeout};
  execution.ranks = make_group(ranks, plan.degrees, execution.device, rank.world, waiting);
  if (!rank.world) avoid_fragmentation(execution.device);
  Models models(joined.parts, execution);
  RankAgent& agent = rank.agent;
  const bool leads = ranks.front() == agent.rank();
  const bool nothing_to_do = joined.run.stopped || joined.run.finished.size() == joined.run.jobs.size();
  const bool loads_behind = !nothing_to_do && place_copies(models, plan, rank.hosts, rank.world, waiting);
  if (rank.world && !nothing_to_do)
    load_together(models, parts_to_share(plan, groups, rank.hosts, agent.rank(), loads_behind), texts_of(joined.run),
                  *rank.world, waiting);
  PipelineWork pipeline({.jobs = joined.run.jobs,
                         .models = models,
                         .folder = OutputFolder(joined.run.output),
                         .options = rank.options,
                         .placement = describe(plan),
                         .ranks = describe_ranks(ranks),
                         .leads = leads,
                         .loads_behind = loads_behind,
                         .finished = joined.run.finished,
                         .gate = [&agent, &jobs = joined.run.jobs](const Activity& activity) {
                           spdlog::trace("{}", to_string(activity));
                           agent.set_activity(activity);
                           const auto is_at_work = [&](std::size_t clip) { return jobs[clip].name == activity.clip; };
                           return !agent.stop_requested() && !std::ranges::any_of(agent.cancelled_clips(), is_at_work);
                         }});
  if (!nothing_to_do) pipeline.take_role(roles_at_start(plan)[static_cast<std::size_t>(group)], nullptr);
  const std::jthread texts =
      embed_texts_in_background(joined.run, models, begins_with(plan, groups, agent.rank(), Part::text_encoder));
  Worker(groups, agent, pipeline).run([&agent](const Error& error) {
    if (agent.size() == 1) return;
    if (agent.rank() != 0) agent.give_up(error);
    agent.abort(exit_code(error.kind()), agent.name(0) + ": " + error.what());
  });
  if (agent.stop_requested()) models.abandon_copies();
  flush_device_spans();
}

void follow_run(const JoinedRun& joined, const RankContext& rank) {
  compute(joined, make_groups(rank.hosts, joined.run.plan.group_size()), rank);
  rank.agent.say_farewell(trace::events());
}

}  // namespace wf
