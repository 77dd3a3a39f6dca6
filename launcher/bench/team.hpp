// launcher/bench/team.hpp: the ranks of one measurement: what they agree on, and times that hold for all of them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "cluster/rendezvous.hpp"
#include "launcher/bench/bench.hpp"
#include "launcher/run/rank_process.hpp"
#include "parallel/communicator.hpp"

namespace wf {

/// Thrown on all ranks when they leave a measurement together. Rank 0 has the error to report, the others have none.
struct Abandoned {
  std::optional<Error> error;
};

/// All ranks of one `wanfarm bench`, for one thread of each. agree(), most(), from(), communicators() and time_runs()
/// are collective: every rank calls them, in the same order. A rank that does not come within ten minutes is an
/// Error(resource) that names it. What ranks agree on goes through the transport of the process
/// (cluster/rendezvous.hpp); collectives only start measurements together, or are what is measured.
class Team {
 public:
  /// Collective. `process` has a world and outlives the team.
  explicit Team(RankProcess& process);

  int rank() const { return rendezvous_.rank(); }
  int size() const { return rendezvous_.size(); }
  const RankProcess& process() const { return process_; }
  World& world() { return *process_.world; }
  /// "2 ranks on 1 machine".
  std::string describe() const;

  /// Communicators over all ranks, in the order of a run's groups: node by node.
  struct Communicators {
    std::unique_ptr<Communicator> host;    ///< For CPU tensors.
    std::unique_ptr<Communicator> device;  ///< For tensors on the GPU; null on a CPU.
  };
  Communicators communicators(at::Device device) const;

  /// Calls `part`, in which ranks must not wait for each other. When it throws on some ranks, all throw Abandoned with
  /// the error of the first of them.
  void agree(const std::function<void()>& part);

  /// The largest of all ranks' values; NaN when any of them is.
  double most(double own);

  /// The text of that rank; the texts that the others pass do not matter.
  std::string from(int rank, const std::string& own);

  /// Times of `runs` calls of `work` on the device, each begun together by all ranks and timed by the slowest of them.
  Timing time_runs(at::Device device, int runs, const std::function<void()>& work);

 private:
  RankProcess& process_;
  Rendezvous rendezvous_;
  std::unique_ptr<Communicator> host_;
};

/// Rates and latencies of the collectives that ranks use, in several sizes, and the best rate that this node reaches.
/// Each time is the median of `runs` rounds after one that is not counted. Collective.
Report bench_comm(Team& team, at::Device device, int runs);

/// One guided velocity by each rank alone, all at once, then one by all together with execution.ranks, and how far the
/// two results are apart. `degrees`: the parallel degrees, as text. Collective.
Report bench_forward(Team& team, const Bench& bench, const std::string& degrees);

}  // namespace wf
