#include "launcher/run.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdlib>
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
#include "launcher/front.hpp"
#include "launcher/machine.hpp"
#include "launcher/model_choice.hpp"

namespace wf {
namespace {

/// A launcher whose MPI is not the one that this program is linked with starts worlds of one rank each.
void check_size(int started, int in_world) {
  if (started != in_world)
    throw Error(
        Error::environment,
        fmt::format("{} processes were started, but MPI ({}) has {} of them together: start them with that MPI's "
                    "own mpirun, or with srun --mpi=pmix",
                    started, mpi_library(), in_world));
}

/// This process among those of the run. Alone, it needs no MPI.
struct Process {
  explicit Process(const Rank& rank) {
    if (rank.size > 1) {
      world.emplace();
      check_size(rank.size, world->size());
      hosts = world->hosts();
      place = world->place();
    }
    mail = world ? world->mail() : local_mail();
  }
  std::optional<World> world;
  std::unique_ptr<Mail> mail;  ///< goes before the world does
  std::vector<std::string> hosts = {this_node().host};
  NodePlace place;
};

/// The cores and the GPUs of a machine are dealt out to its ranks.
Execution own_share(RunOptions& options, const NodePlace& place) {
  if (options.threads == 0 && place.local_size > 1) options.threads = std::max(1, this_node().cores / place.local_size);
  Execution execution = chosen_execution(options);
  if (const auto gpus = static_cast<int>(cuda_view().gpus.size()); execution.device.is_cuda() && gpus > 1)
    execution.device = at::Device(at::kCUDA, static_cast<at::DeviceIndex>(place.local_rank % gpus));
  return execution;
}

/// mpirun ends the other ranks when one has left with a code. srun need not: then `world` is there to tell it.
void end_process(int exit_code, World* world) {
  leave_exit_code(exit_code);
  std::cout.flush();
  spdlog::default_logger()->flush();
  if (world) world->abort(exit_code);
  std::_Exit(exit_code);
}

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

int lead(const ReadRequest& read, const Member& member) {
  LedRun led = start_run(read, member.base, member.options, member.courier);
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

int run(const ReadRequest& read, RunOptions options) {
  const Rank rank = rank_from(environment());
  const bool by_mpirun = environment().contains("OMPI_COMM_WORLD_SIZE");  // asked before MPI is: it sets this, too
  open_log(log_level(options), rank.rank);
  if (options.dry_run) return rank.rank == 0 ? dry_run(read(), options, chosen_execution(options)) : 0;
  install_stop_signals();
  if (!options.trace.empty()) trace::start(rank.rank);
  trace::name_thread("computing");
  Process process(rank);
  const Execution base = own_share(options, process.place);
  World* const world = process.world ? &*process.world : nullptr;
  Courier courier(*process.mail,
                  {.hosts = process.hosts,
                   .end_process = [tell = by_mpirun ? nullptr : world](int code) { end_process(code, tell); }});
  const Member member{base, options, process.hosts, world, courier};
  return rank.rank == 0 ? lead(read, member) : follow(member);
}

}  // namespace wf
