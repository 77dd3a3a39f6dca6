#include "launcher/run/run.hpp"

#include <chrono>
#include <iostream>
#include <optional>

#include "base/error.hpp"
#include "base/fault.hpp"
#include "base/log.hpp"
#include "base/signals.hpp"
#include "base/trace.hpp"
#include "cluster/launch/leave.hpp"
#include "cluster/launch/start_ranks.hpp"
#include "cluster/node.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/run/dry_run.hpp"
#include "launcher/run/handshake.hpp"
#include "launcher/run/lead_run.hpp"
#include "launcher/run/on_finish.hpp"
#include "launcher/run/rank_main.hpp"
#include "launcher/run/rank_process.hpp"

namespace wf {
namespace {

void report(const Summary& summary, const Path& output, const RunOptions& options) {
  if (options.json) std::cout << summary_line(summary) << std::endl;
  spdlog::info("{}: {}", output.string(), to_text(summary));
  if (summary.quarantined > 0) spdlog::warn("{} set aside, for ranks were lost with them", summary.quarantined);
  if (summary.left > 0)
    spdlog::warn("{}: the same command{} goes on with it",
                 summary.held.empty() ? "stopped with work left" : "held with work left (" + summary.held + ")",
                 options.force ? " without --force" : "");
}

/// Runs this rank's part. An exception aborts the run on all ranks, which would else wait for this one for ever.
template <class Part>
auto or_abort_all(RankAgent& agent, Part&& part) {
  try {
    return part();
  } catch (const std::exception&) {
    const Error error = current_error();
    if (agent.size() > 1) agent.abort(exit_code(error.kind()), agent.name(agent.rank()) + ": " + error.what());
    throw error;
  }
}

/// Rank 0: begins the run, computes like every rank, and coordinates.
int lead(const ReadRequest& read, const RankStart& own, const RankContext& rank, const PlanObserver& on_plan,
         OnFinish& on_finish) {
  const auto read_and_tell = [&] {
    RunRequest request = read();
    on_finish.output_is(request.output);
    return request;
  };
  LedRun led = start_run(read_and_tell, own, rank.options, rank.agent);
  if (on_plan) on_plan(led.request, led.run.plan, rank.hosts);
  const Outcome outcome = or_abort_all(rank.agent, [&] { return lead_run(led, rank); });
  if (outcome.fatal) throw *outcome.fatal;
  report(outcome.summary, led.run.output, rank.options);
  return exit_code(outcome.summary);
}

/// Every other rank.
int follow(const RankStart& own, const RankContext& rank) {
  const std::optional<JoinedRun> joined = join_run(own, rank.options, rank.agent);
  if (joined) or_abort_all(rank.agent, [&] { follow_run(*joined, rank); });
  return 0;
}

/// The exit code of this rank's part. If ranks were lost, the process ends here: what follows would wait for them.
template <class Part>
int end_of_run(RankProcess& process, RankAgent& agent, OnFinish& on_finish, Part&& part) {
  int code = 0;
  try {
    code = part();
  } catch (const std::exception&) {
    if (!agent.has_lost_ranks()) throw;
    const Error error = current_error();
    spdlog::error("{}", error.what());
    code = exit_code(error.kind());
  }
  if (!agent.has_lost_ranks()) return code;
  agent.flush();
  on_finish.run(code);
  agent.rank() == 0 ? process.end(code) : leave_process(code);
}

/// Joins the other ranks and runs this one's part.
int run_rank(const Rank& rank, const ReadRequest& read, RunOptions options, const PlanObserver& on_plan,
             OnFinish& on_finish) {
  if (!options.trace.empty()) trace::start(rank.rank, this_node().host);
  trace::name_thread("computing");
  RankProcess process(rank);
  World* const world = process.world ? &*process.world : nullptr;
  RankAgent agent(*process.transport, {.hosts = process.hosts,
                                       .processes = process.processes,
                                       .lost_code = code_of_lost_run,
                                       .timeout = std::chrono::duration<double>(options.heartbeat_timeout).count(),
                                       .stall_timeout = std::chrono::duration<double>(options.stall_timeout).count(),
                                       .end_process =
                                           [&process, &on_finish](int code) {
                                             on_finish.run(code);
                                             process.end(code);
                                           },
                                       .leave_process = leave_process,
                                       .fetch_deadline = options.collective_timeout});
  const RankStart own = start_of_rank(options, process.place);
  const RankContext context{own.base, options, process.hosts, world, agent};
  return end_of_run(process, agent, on_finish, [&] {
    return rank.rank == 0 ? lead(read, own, context, on_plan, on_finish) : follow(own, context);
  });
}

}  // namespace

int run(const ReadRequest& read, RunOptions options, const PlanObserver& on_plan) {
  const Rank rank = rank_from(environment());
  open_log(options.shown_level(), rank.rank);
  prepare_faults(rank.rank);
  fault_point("start");
  if (options.dry_run) {
    if (rank.rank != 0) return 0;
    apply_preset(options, chosen_device(options.device));
    return dry_run(read(), options, chosen_execution(options));
  }
  install_stop_signals();
  OnFinish on_finish(options);
  return on_finish.after([&] { return run_rank(rank, read, std::move(options), on_plan, on_finish); });
}

}  // namespace wf
