#include "launcher/run/lead_run.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "base/clock.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/trace.hpp"
#include "cluster/launch/start_ranks.hpp"
#include "cluster/node.hpp"
#include "jobs/record/run_info.hpp"
#include "launcher/options/shared_settings.hpp"
#include "launcher/options/version.hpp"
#include "launcher/planner/dispatch_setup.hpp"
#include "launcher/run/coordinator.hpp"
#include "launcher/run/groups.hpp"
#include "launcher/run/remaining_time.hpp"
#include "launcher/run/run_control.hpp"
#include "launcher/run/run_journal.hpp"
#include "launcher/run/run_records.hpp"
#include "launcher/run/slurm_job.hpp"

namespace wf {
namespace {

/// How long work may stand still: eight times as long as the planner predicts for it, which is the longest step of a
/// stage that has steps, but never less than `least`.
class PredictedPatience {
 public:
  PredictedPatience(const std::vector<Job>& jobs, const Predicted& predicted, int branches, std::chrono::seconds least)
      : predicted_(jobs, predicted, branches), least_(static_cast<double>(least.count())) {
    for (std::size_t i = 0; i < jobs.size(); ++i) clip_of_name_[jobs[i].name] = i;
  }

  double operator()(const WorkUnderWay& work) const {
    const auto clip = clip_of_name_.find(work.clip);
    const auto stage = std::ranges::find(all_stages, work.part, [](Stage each) { return to_string(each); });
    if (clip == clip_of_name_.end() || stage == std::end(all_stages)) return least_;
    return std::max(least_, 8 * predicted_.longest_unit(clip->second, *stage));
  }

 private:
  PredictedWork predicted_;
  double least_;
  std::map<std::string, std::size_t> clip_of_name_;
};

/// Seconds that ranks take to end what they are at and to store it: twice the longest step or stage that is predicted,
/// and half a minute.
double seconds_to_stop(const std::vector<Job>& jobs, const Predicted& predicted, int branches) {
  const PredictedWork work(jobs, predicted, branches);
  double longest = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i)
    if (work.shape(i) == i)
      for (const Stage stage : all_stages) longest = std::max(longest, work.longest_unit(i, stage));
  return 30 + 2 * longest;
}

/// What users want of the run, and what the job of Slurm leaves it no choice in.
std::vector<UserRequest> requests_for(Taken taken, const RunJournal& journal, RunControl& control, SlurmJob* job) {
  std::vector<UserRequest> requests = control.take(taken);
  if (!job) return requests;
  job->show(journal.status());
  if (std::string why = job->why_stop(unix_time()); !why.empty())
    requests.push_back({.action = ControlRequest::drain, .why = std::move(why)});
  return requests;
}

/// What later commands on the folder know the run by.
void write_run(const LedRun& led, const Groups& groups, const RankContext& rank, std::int64_t epoch) {
  RunInfo info{.id = run_id(),
               .epoch = epoch,
               .started = unix_time(),
               .host = this_node().host,
               .pid = ::getpid(),
               .version = version,
               .command = command_of_user(),
               .folder = std::filesystem::current_path().string(),
               .model = led.run.model,
               .placement = describe(led.run.plan),
               .precision = to_string(rank.base.precision),
               .codec = to_string(rank.options.video.codec),
               .ranks = {},
               .settings = shared_settings(rank.options)};
  for (int i = 0; i < rank.agent.size(); ++i)
    info.ranks.push_back(
        {rank.agent.node(i), led.ranks.at(static_cast<std::size_t>(i)).device_name, groups.leader(groups.of(i))});
  const auto write_clips = brings_own_list(rank.options, led.run.output) ? write_clip_list : add_to_clip_list;
  write_clips(led.run.output, led.run.jobs, led.earlier.fingerprints);
  write_run_info(led.run.output, info);
}

/// Tells the coordinator what users and earlier starts of this command decided on the run and the clips that are left.
void take_up_earlier_starts(const LedRun& led, RunControl& control, Coordinator& coordinator) {
  const EarlierStarts& earlier = led.starts;
  for (const int rank : earlier.unfit_ranks) coordinator.leave_out(rank);
  for (std::size_t i = 0; i < led.run.jobs.size(); ++i) {
    if (std::ranges::binary_search(led.run.finished, i)) continue;
    const std::string& fingerprint = led.earlier.fingerprints[i];
    if (earlier.cancelled.contains(fingerprint)) coordinator.cancelled_before(i);
    if (const auto losses = earlier.losses.find(fingerprint); losses != earlier.losses.end())
      coordinator.lost_before(i, static_cast<int>(losses->second));
  }
  for (const std::size_t clip : led.earlier.on_disk) coordinator.left_before(clip);
  if (earlier.paused) {
    spdlog::warn("the run is still paused: `wanfarm control {} resume` lets clips begin", led.run.output.string());
    coordinator.obey({ControlRequest::pause});
  }
  for (const UserRequest& request : control.take_earlier(earlier.is_restart)) coordinator.obey(request);
  if (earlier.draining.empty()) return;
  spdlog::warn("the run was told to stop before ranks were lost ({}): nothing begins again", earlier.draining);
  coordinator.obey({.action = ControlRequest::drain, .why = earlier.draining});
}

/// Tells all who keep count what earlier runs left of the clips.
void take_up_earlier_runs(const LedRun& led, RunRecords& records, RunJournal& journal, Dispatch& dispatch) {
  records.finished_before(led.starts.attempts);
  for (const auto& [clip, sidecar] : led.earlier.finished)
    journal.found(clip, led.starts.finished.contains(led.earlier.fingerprints[clip]));
  for (const std::size_t clip : led.run.finished) dispatch.finished_before(clip);
  for (const auto& [clip, stage] : led.earlier.stored) dispatch.stored_before(clip, stage);
}

/// Coordinates on a thread of its own while this one computes.
template <class Compute>
void coordinate(Coordinator& coordinator, const Compute& compute) {
  const std::jthread dispatching([&coordinator] { coordinator.run(); });
  try {
    compute();
  } catch (...) {
    coordinator.abandon();  // otherwise ~jthread would wait for reports that never come
    throw;
  }
}

void write_traces(const Path& file, std::vector<std::string> traces) {
  traces.push_back(trace::events());
  write_file(file, trace::join(traces));
}

/// Nothing is worse than what ended the run before.
void finish(RunRecords& records, Outcome& outcome) {
  try {
    records.finish(outcome.summary, outcome.exit_code());
  } catch (const std::exception&) {
    const Error error = current_error();
    outcome.fatal ? spdlog::warn("{}", error.what()) : void(outcome.fatal = error);
  }
}

}  // namespace

Outcome lead_run(LedRun& led, const RankContext& rank) {
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<Job>& jobs = led.run.jobs;
  const Groups groups = make_groups(rank.hosts, led.run.plan.group_size());
  const Predicted predicted = predicted_by(led.request, led.run.plan);
  const int branches = led.run.plan.degrees.guidance;
  RunRecords records({.jobs = jobs,
                      .folder = *led.folder,
                      .finished = led.earlier.finished,
                      .copies = led.earlier.copies,
                      .options = rank.options,
                      .groups = groups,
                      .nodes = rank.hosts,
                      .model = led.run.model,
                      .branches = branches},
                     predicted);
  const std::optional<OwnJob> own = own_job(environment());
  RunJournal journal({.output = led.run.output,
                      .jobs = jobs,
                      .fingerprints = led.earlier.fingerprints,
                      .command_id = run_id(),
                      .ranks = rank.agent.size(),
                      .last_epoch = led.starts.last_epoch,
                      .job = own ? RunJob{own->name, own->starts} : RunJob(),
                      .standing = [&records](const auto& ranks) { return records.standing(ranks); }},
                     records);
  write_run(led, groups, rank, journal.epoch());
  rank.agent.tell_of_fatal_losses([&journal](int lost, const std::string& why) { journal.lost_for_good(lost, why); });
  Dispatch dispatch(jobs, roles_at_start(led.run.plan), predicted, dispatch_options(led.request, led.run.plan));
  take_up_earlier_runs(led, records, journal, dispatch);
  const auto patience =
      std::make_shared<const PredictedPatience>(jobs, predicted, branches, rank.options.stall_timeout);
  rank.agent.set_patience([patience](const WorkUnderWay& work) { return (*patience)(work); });
  RunControl control(led.run.output, jobs);
  std::optional<SlurmJob> job;
  if (own) job.emplace(*own, seconds_to_stop(jobs, predicted, branches));
  Coordinator coordinator(dispatch, groups, rank.agent, journal,
                          [&](Taken taken) { return requests_for(taken, journal, control, job ? &*job : nullptr); });
  coordinator.hold_at({rank.options.max_failures, rank.options.keep_going, jobs.size(), led.earlier.copies});
  take_up_earlier_starts(led, control, coordinator);
  coordinate(coordinator, [&] { compute(led, groups, rank); });
  if (rank.agent.has_lost_ranks()) led.folder->sweep();
  if (!rank.options.trace.empty()) write_traces(rank.options.trace, coordinator.traces());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  Outcome outcome{records.summary(seconds), coordinator.fatal()};
  outcome.summary.held = coordinator.held();
  finish(records, outcome);
  rank.agent.tell_of_fatal_losses({});
  journal.ended(outcome.exit_code(), summary_line(outcome.summary));
  if (job) job->show(journal.status());
  return outcome;
}

}  // namespace wf
