#include "launcher/run/rank_main.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "base/files.hpp"
#include "base/log.hpp"
#include "base/trace.hpp"
#include "launcher/planner/dispatch_setup.hpp"
#include "launcher/run/coordinator.hpp"
#include "launcher/run/groups.hpp"
#include "launcher/run/loading.hpp"
#include "launcher/run/pipeline_work.hpp"
#include "launcher/run/remaining_time.hpp"
#include "launcher/run/run_records.hpp"
#include "launcher/run/worker.hpp"
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

/// The prompts and negative prompts of the clips that are not finished.
std::vector<std::string> texts_of(const RunSpec& run) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < run.jobs.size(); ++i)
    if (!std::ranges::binary_search(run.finished, i))
      texts.insert(texts.end(), {run.jobs[i].prompt, run.jobs[i].negative_prompt});
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

/// How long work may stand still: eight times as long as the planner predicts for it, which is a step of a stage that
/// has steps, but never less than `least`.
class PredictedPatience {
 public:
  PredictedPatience(const std::vector<Job>& jobs, const Predicted& predicted, std::chrono::seconds least)
      : jobs_(jobs), predicted_(jobs, predicted), least_(static_cast<double>(least.count())) {
    for (std::size_t i = 0; i < jobs.size(); ++i) clip_of_name_[jobs[i].name] = i;
  }

  double operator()(const WorkUnderWay& work) const {
    const auto clip = clip_of_name_.find(work.clip);
    const auto stage = std::ranges::find(all_stages, work.part, [](Stage each) { return to_string(each); });
    if (clip == clip_of_name_.end() || stage == std::end(all_stages)) return least_;
    const Activity activity{.clip = work.clip, .stage = *stage, .steps = jobs_[clip->second].steps};
    return std::max(least_, 8 * predicted_.unit(clip->second, activity));
  }

 private:
  const std::vector<Job>& jobs_;
  PredictedWork predicted_;
  double least_;
  std::map<std::string, std::size_t> clip_of_name_;
};

/// Does all of this rank's computing, from loading its part of the model until its group is told that no work is left.
void compute(const JoinedRun& joined, const Groups& groups, const RankContext& rank) {
  const PlacementPlan& plan = joined.run.plan;
  const int group = groups.of(rank.agent.rank());
  const std::vector<int>& ranks = groups.ranks[static_cast<std::size_t>(group)];
  Execution execution = execution_for(plan, rank.base);
  const Waiting waiting{.deadline = rank.options.collective_timeout};
  execution.ranks = make_group(ranks, plan.degrees, execution.device, rank.world, waiting);
  Models models(joined.parts, execution);
  RankAgent& agent = rank.agent;
  const bool leads = ranks.front() == agent.rank();
  const bool nothing_to_do = joined.run.finished.size() == joined.run.jobs.size();
  if (rank.world && !nothing_to_do)
    load_together(models, parts_to_share(plan, groups, rank.hosts, agent.rank()), texts_of(joined.run), *rank.world,
                  waiting);
  PipelineWork pipeline({.jobs = joined.run.jobs,
                         .models = models,
                         .folder = OutputFolder(joined.run.output),
                         .options = rank.options,
                         .placement = describe(plan),
                         .ranks = describe_ranks(ranks),
                         .leads = leads,
                         .gate = [&agent](const Activity& activity) {
                           spdlog::trace("{}", to_string(activity));
                           agent.set_activity(activity);
                           return !agent.stop_requested();
                         }});
  if (!nothing_to_do) pipeline.take_role(roles_at_start(plan)[static_cast<std::size_t>(group)], nullptr);
  const std::jthread texts =
      embed_texts_in_background(joined.run, models, begins_with(plan, groups, agent.rank(), Part::text_encoder));
  Worker(groups, agent, pipeline).run();
  flush_device_spans();
}

}  // namespace

Outcome lead_run(LedRun& led, const RankContext& rank) {
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<Job>& jobs = led.run.jobs;
  const Groups groups = make_groups(rank.hosts, led.run.plan.group_size());
  const Predicted predicted = predicted_by(led.request, led.run.plan);
  RunRecords records(jobs, *led.folder, led.earlier.copies, predicted, rank.options, groups.count(), rank.agent.size());
  Dispatch dispatch(jobs, roles_at_start(led.run.plan), predicted, dispatch_options(led.request, led.run.plan));
  records.finished_before(led.earlier.finished);
  for (const std::size_t clip : led.run.finished) dispatch.finished_before(clip);
  for (const auto& [clip, stage] : led.earlier.stored) dispatch.stored_before(clip, stage);
  const auto patience = std::make_shared<const PredictedPatience>(jobs, predicted, rank.options.stall_timeout);
  rank.agent.set_patience([patience](const WorkUnderWay& work) { return (*patience)(work); });
  Coordinator coordinator(dispatch, groups, rank.agent, records);
  {
    const std::jthread dispatching([&coordinator] { coordinator.run(); });
    try {
      compute(led, groups, rank);
    } catch (...) {
      coordinator.abandon();  // otherwise ~jthread would wait for reports that never come
      throw;
    }
  }
  if (!rank.options.trace.empty()) {
    std::vector<std::string> traces = coordinator.traces();
    traces.push_back(trace::events());
    write_file(rank.options.trace, trace::join(traces));
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return {records.summary(seconds), coordinator.fatal()};
}

void follow_run(const JoinedRun& joined, const RankContext& rank) {
  compute(joined, make_groups(rank.hosts, joined.run.plan.group_size()), rank);
  rank.agent.say_farewell(trace::events());
}

}  // namespace wf
