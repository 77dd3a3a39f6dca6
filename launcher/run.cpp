#include "launcher/run.hpp"

#include <ATen/Parallel.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <optional>

#include "cluster/error.hpp"
#include "cluster/log.hpp"
#include "cluster/node.hpp"
#include "cluster/signals.hpp"
#include "cluster/trace.hpp"
#include "launcher/dry_run.hpp"
#include "launcher/farm/courier.hpp"
#include "launcher/farm/rank_run.hpp"
#include "launcher/farm/start.hpp"
#include "launcher/front.hpp"
#include "launcher/machine.hpp"
#include "launcher/model_choice.hpp"
#include "parallel/world.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf {
namespace {

/// This process among those of the run. Alone, it needs no MPI.
struct Ranks {
  std::optional<World> world;
  std::unique_ptr<Mail> mail;  // before the world it goes
  std::vector<std::string> hosts;
  NodePlace place;
};

Ranks find_ranks(const Rank& rank) {
  Ranks ranks;
  if (rank.size == 1) {
    ranks.mail = local_mail();
    ranks.hosts = {this_node().host};
    return ranks;
  }
  ranks.world.emplace();
  ranks.mail = ranks.world->mail();
  ranks.hosts = ranks.world->hosts();
  ranks.place = ranks.world->place();
  return ranks;
}

/// The cores and the GPUs of a machine are dealt out to its ranks.
Execution own_share(RunOptions& options, const NodePlace& place) {
  if (options.threads == 0 && place.local_size > 1)
    options.threads = std::max(1, this_node().cores / place.local_size);
  Execution execution = chosen_execution(options);
  if (const auto gpus = static_cast<int>(cuda_view().gpus.size()); execution.device.is_cuda() && gpus > 1)
    execution.device = at::Device(at::kCUDA, static_cast<at::DeviceIndex>(place.local_rank % gpus));
  return execution;
}

void end_process(int exit_code) {
  leave_exit_code(exit_code);
  std::cout.flush();
  spdlog::default_logger()->flush();
  std::_Exit(exit_code);
}

int lead(const ReadRequest& read, const Execution& base, const RunOptions& options, Ranks& ranks, Courier& courier) {
  StartOfRun start = prepare_run(read(), base, options, courier);
  RankRun run{start.run, start.parts, base, options, ranks.hosts, ranks.world ? &*ranks.world : nullptr, courier};
  const Summary summary = lead_rank(run, start);
  return exit_code(summary);
}

int follow(const Execution& base, const RunOptions& options, Ranks& ranks, Courier& courier) {
  const std::optional<JoinedRun> joined = join_run(base, options, courier);
  if (joined) follow_rank({joined->run, joined->parts, base, options, ranks.hosts, &*ranks.world, courier});
  return 0;
}

}  // namespace

int run(const ReadRequest& read, RunOptions options) {
  const Rank rank = rank_from(environment());
  open_log(log_level(options), rank.rank);
  if (options.dry_run) return rank.rank == 0 ? dry_run(read(), options, chosen_execution(options)) : 0;
  install_stop_signals();
  if (!options.trace.empty()) trace::start(rank.rank);
  Ranks ranks = find_ranks(rank);
  const Execution base = own_share(options, ranks.place);
  Courier courier(*ranks.mail, {.hosts = ranks.hosts, .end_process = end_process});
  try {
    return rank.rank == 0 ? lead(read, base, options, ranks, courier) : follow(base, options, ranks, courier);
  } catch (const RunNeverBegan& never) {
    throw never.why;
  } catch (const std::exception&) {
    const Error error = current_error();
    if (rank.size == 1) throw error;
    courier.abort(exit_code(error.kind()), courier.name(rank.rank) + ": " + error.what());
    throw error;
  }
}

}  // namespace wf
