#include "launcher/farm/take_part.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "cluster/files.hpp"
#include "cluster/log.hpp"
#include "cluster/trace.hpp"
#include "launcher/farm/control.hpp"
#include "launcher/farm/dispatch_setup.hpp"
#include "launcher/farm/groups.hpp"
#include "launcher/farm/loading.hpp"
#include "launcher/farm/pipeline_work.hpp"
#include "launcher/farm/records.hpp"
#include "launcher/farm/worker.hpp"
#include "parallel/device_span.hpp"
#include "parallel/nccl_communicator.hpp"

namespace wf {
namespace {

/// "2", "0-3", "0,2".
std::string in_words(const std::vector<int>& ranks) {
  const bool in_a_row = ranks.back() - ranks.front() + 1 == std::ssize(ranks);
  if (ranks.size() == 1) return std::to_string(ranks.front());
  return in_a_row ? fmt::format("{}-{}", ranks.front(), ranks.back()) : fmt::format("{}", fmt::join(ranks, ","));
}

/// The group's communicators, then a barrier, from which the clocks of the trace count.
std::shared_ptr<const RankGroup> make_group(const std::vector<int>& ranks, const Degrees& degrees, at::Device device,
                                            World* world) {
  if (!world) return nullptr;
  const std::unique_ptr<Communicator> all = world->communicator();
  std::shared_ptr<const RankGroup> group;
  if (ranks.size() > 1) {
    std::unique_ptr<Communicator> gpus;
    if (device.is_cuda()) gpus = nccl_communicator(all->subgroup(ranks), device, {}, ranks);
    group = std::make_shared<RankGroup>(all->subgroup(ranks), degrees, RankGroup::OnGpus{std::move(gpus), device});
  }
  all->barrier();
  trace::zero();
  return group;
}

/// Of the clips that are not finished.
std::vector<std::string> texts_of(const RunStart& run) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < run.jobs.size(); ++i)
    if (!std::ranges::binary_search(run.finished, i))
      texts.insert(texts.end(), {run.jobs[i].prompt, run.jobs[i].negative_prompt});
  return texts;
}

/// A text encoder on the host need not keep the GPU waiting.
std::jthread texts_beside(const RunStart& run, Models& models, bool does_texts) {
  const Execution& execution = models.execution();
  if (!does_texts || execution.device.is_cpu() || !execution.text_device.is_cpu()) return {};
  return std::jthread([&models, texts = texts_of(run)](const std::stop_token& stop) {
    trace::name_thread("texts");
    embed_beside(texts, models, stop);
  });
}

/// This rank's half of the run: from here on it does what it is told.
void work(const JoinedRun& joined, const Groups& groups, const Member& member) {
  const PlacementPlan& plan = joined.run.plan;
  const int number = groups.of(member.courier.rank());
  const std::vector<int>& ranks = groups.ranks[static_cast<std::size_t>(number)];
  Execution execution = execution_for(plan, member.base);
  execution.ranks = make_group(ranks, plan.degrees, execution.device, member.world);
  Models models(joined.parts, execution);
  Courier& courier = member.courier;
  const bool leads = ranks.front() == courier.rank();
  const bool nothing_to_do = joined.run.finished.size() == joined.run.jobs.size();
  if (member.world && !nothing_to_do)
    load_together(models, parts_to_share(plan, groups, member.hosts, courier.rank()), texts_of(joined.run),
                  *member.world);
  PipelineWork pipeline({.jobs = joined.run.jobs,
                         .models = models,
                         .folder = OutputFolder(joined.run.output),
                         .options = member.options,
                         .placement = describe(plan),
                         .ranks = in_words(ranks),
                         .leads = leads,
                         .gate = [&courier](const Activity& activity) {
                           spdlog::trace("{}", words(activity));
                           courier.set_activity(activity);
                           return !courier.stop_requested();
                         }});
  if (!nothing_to_do) pipeline.take_role(roles_at_start(plan)[static_cast<std::size_t>(number)], nullptr);
  const std::jthread texts =
      texts_beside(joined.run, models, begins_with(plan, groups, courier.rank(), Part::text_encoder));
  Worker(groups, courier, pipeline).run();
  flush_device_spans();
}

}  // namespace

Outcome lead_run(LedRun& led, const Member& member) {
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<Job>& jobs = led.run.jobs;
  const Groups groups = make_groups(member.hosts, led.run.plan.group_size());
  Records records(jobs, *led.folder, member.options, member.courier.size());
  Dispatch dispatch(jobs, roles_at_start(led.run.plan), predicted_by(led.request, led.run.plan),
                    dispatch_options(led.request, led.run.plan));
  records.finished_before(led.finished);
  for (const std::size_t clip : led.run.finished) dispatch.finished_before(clip);
  Control control(dispatch, groups, member.courier, records);
  {
    const std::jthread dispatching([&control] { control.run(); });
    try {
      work(led, groups, member);
    } catch (...) {
      control.abandon();
      throw;
    }
  }
  if (!member.options.trace.empty()) {
    std::vector<std::string> traces = control.traces();
    traces.push_back(trace::events());
    write_file(member.options.trace, trace::join(traces));
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return {records.summary(seconds), control.fatal()};
}

void follow_run(const JoinedRun& joined, const Member& member) {
  work(joined, make_groups(member.hosts, joined.run.plan.group_size()), member);
  member.courier.say_farewell(trace::events());
}

}  // namespace wf
