#include "launcher/run.hpp"

#include <spdlog/fmt/fmt.h>

#include <iostream>
#include <optional>

#include "cluster/error.hpp"
#include "cluster/log.hpp"
#include "cluster/node.hpp"
#include "cluster/signals.hpp"
#include "cluster/trace.hpp"
#include "launcher/dry_run.hpp"
#include "launcher/farm/start.hpp"
#include "launcher/farm/take_part.hpp"
#include "launcher/model_choice.hpp"
#include "launcher/process.hpp"

namespace wf {
namespace {

void report(const Summary& summary, const Path& output, const RunOptions& options) {
  if (options.json) std::cout << summary_line(summary) << std::endl;
  spdlog::info("{}: {} rendered, {} finished before, {} failed, {} left", output.string(), summary.done,
               summary.skipped, summary.failed, summary.left);
  if (summary.left > 0) spdlog::warn("stopped with work left: the same command goes on with it");
}

/// What goes wrong with one rank now would keep the others waiting for ever.
template <class Part>
auto or_end_all(Courier& courier, Part&& part) {
  try {
    return part();
  } catch (const std::exception&) {
    const Error error = current_error();
    if (courier.size() > 1) courier.abort(exit_code(error.kind()), courier.name(courier.rank()) + ": " + error.what());
    throw error;
  }
}

int lead(const ReadRequest& read, const Member& member, const HearPlan& hear) {
  LedRun led = start_run(read, member.base, member.options, member.courier);
  if (hear) hear(led.request, led.run.plan, member.hosts);
  const Outcome outcome = or_end_all(member.courier, [&] { return lead_run(led, member); });
  if (outcome.fatal) throw *outcome.fatal;
  report(outcome.summary, led.run.output, member.options);
  return exit_code(outcome.summary);
}

int follow(const Member& member) {
  const std::optional<JoinedRun> joined = join_run(member.base, member.options, member.courier);
  if (joined) or_end_all(member.courier, [&] { follow_run(*joined, member); });
  return 0;
}

}  // namespace

int run(const ReadRequest& read, RunOptions options, const HearPlan& hear) {
  const Rank rank = rank_from(environment());
  open_log(log_level(options), rank.rank);
  if (options.dry_run) return rank.rank == 0 ? dry_run(read(), options, chosen_execution(options)) : 0;
  install_stop_signals();
  if (!options.trace.empty()) trace::start(rank.rank);
  trace::name_thread("computing");
  Process process(rank);
  const Execution base = own_share(options, process.place);
  World* const world = process.world ? &*process.world : nullptr;
  Courier courier(*process.mail, {.hosts = process.hosts, .end_process = [&process](int code) { process.end(code); }});
  const Member member{base, options, process.hosts, world, courier};
  return rank.rank == 0 ? lead(read, member, hear) : follow(member);
}

}  // namespace wf
