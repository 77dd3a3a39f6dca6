#include "launcher/bench/team.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

#include "launcher/run/groups.hpp"
#include "parallel/device.hpp"
#include "parallel/mpi_communicator.hpp"
#include "parallel/nccl_communicator.hpp"

namespace wf {
namespace {

constexpr int succeeded = -1;

/// How a part went on one rank: the Error::Kind of its failure, or `succeeded`.
struct Outcome {
  int kind = succeeded;
  std::string error;
  bool failed() const { return kind != succeeded; }
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Outcome, kind, error)

Outcome outcome_of(const std::function<void()>& part) {
  try {
    part();
    return {};
  } catch (const std::exception&) {
    const Error error = current_error();
    return {error.kind(), error.what()};
  }
}

}  // namespace

Team::Team(RankProcess& process, std::chrono::milliseconds deadline)
    : process_(process),
      deadline_(deadline),
      rendezvous_(*process.transport),
      host_(mpi_communicator(process.world.value(), {.deadline = deadline})) {}

std::string Team::describe() const {
  const int nodes = process_.place.nodes;
  return fmt::format("{} ranks on {} machine{}", size(), nodes, nodes == 1 ? "" : "s");
}

Team::Communicators Team::communicators(at::Device device) const {
  const std::vector<int> ranks = make_groups(process_.hosts, size()).ranks.front();
  Communicators all{host_->subgroup(ranks), nullptr};
  if (device.is_cuda()) all.device = nccl_communicator(host_->subgroup(ranks), device, {.deadline = deadline_}, ranks);
  return all;
}

void Team::agree(const std::function<void()>& part) {
  const std::vector<Outcome> outcomes = rendezvous_.all_gather(outcome_of(part), deadline_);
  const auto first = std::ranges::find_if(outcomes, &Outcome::failed);
  if (first == outcomes.end()) return;
  if (rank() != 0) throw Abandoned();
  const auto failed = static_cast<std::size_t>(first - outcomes.begin());
  const std::string where = failed == 0 ? "" : fmt::format("rank {} ({}): ", failed, process_.hosts[failed]);
  throw Abandoned{Error(static_cast<Error::Kind>(first->kind), where + first->error)};
}

double Team::most(double own) {
  const std::vector<double> all = rendezvous_.all_gather(own, deadline_);
  const auto nan = std::ranges::find_if(all, [](double value) { return std::isnan(value); });
  return nan == all.end() ? std::ranges::max(all) : *nan;
}

std::string Team::from(int rank, const std::string& own) {
  return rendezvous_.all_gather(own, deadline_).at(static_cast<std::size_t>(rank));
}

Timing Team::time_runs(at::Device device, int runs, const std::function<void()>& work) {
  Timing timing;
  for (int i = 0; i < runs; ++i) {
    synchronize(device);
    host_->barrier();
    timing.runs.push_back(most(seconds_on(device, work)));
  }
  return timing;
}

Table to_table(const AloneAndTogether& times, const std::string& name, const std::string& what, int ranks) {
  Table table{name,
              {{"what", what},
               {"ranks", "ranks"},
               {"median_s", "median s", 4},
               {"least_s", "least s", 4},
               {"speedup", "speed-up", 2},
               {"efficiency_percent", "efficiency %", 1},
               {"peak_gib", "peak GiB", 2}}};
  const double one = times.alone.median(), all = times.together.median();
  table.rows = {{"one rank", 1.0, one, times.alone.least(), 1.0, 100.0, in_gib(times.peak_alone)},
                {"all ranks", static_cast<double>(ranks), all, times.together.least(), ratio(one, all),
                 ratio(100 * one, ranks * all), in_gib(times.peak_together)}};
  return table;
}

}  // namespace wf
