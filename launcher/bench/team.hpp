// launcher/bench/team.hpp: the ranks of a measurement: they agree on values and errors, and time work together.
#pragma once

#include <chrono>
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

/// Thrown on all ranks when they give up a measurement together. Holds the error to report on rank 0, none on the
/// others.
struct Abandoned {
  std::optional<Error> error;
};

/// All ranks of one `wanfarm bench`; one thread of each rank uses it. agree(), most(), from(), communicators() and
/// time_runs() are collective: every rank calls them, in the same order. They throw an Error(resource) that names a
/// rank which does not join in within the deadline. Values and errors are exchanged over the transport of the process
/// (cluster/rendezvous.hpp); communicators only start measurements together, or are what is measured.
class Team {
 public:
  /// Collective. `process` has a world and outlives the team. deadline: the time for the others to do what one rank has
  /// done, which may be writing a model, or reading one from a slow disk.
  Team(RankProcess& process, std::chrono::milliseconds deadline);

  int rank() const { return rendezvous_.rank(); }
  int size() const { return rendezvous_.size(); }
  const RankProcess& process() const { return process_; }
  World& world() { return *process_.world; }
  std::chrono::milliseconds deadline() const { return deadline_; }
  /// "2 ranks on 1 machine".
  std::string describe() const;

  /// Communicators over all ranks, in the order of a run's groups: node by node.
  struct Communicators {
    std::unique_ptr<Communicator> host;    ///< For CPU tensors.
    std::unique_ptr<Communicator> device;  ///< For tensors on the GPU; null on a CPU.
  };
  Communicators communicators(at::Device device) const;

  /// Calls `part`, in which ranks must not wait for each other. When it throws on some ranks, all ranks throw
  /// Abandoned, on rank 0 with the error of the lowest of those ranks.
  void agree(const std::function<void()>& part);

  /// The largest of all ranks' values; NaN when any of them is.
  double most(double own);

  /// The text that `rank` passes, on all ranks; what the others pass is ignored.
  std::string from(int rank, const std::string& own);

  /// Times of `runs` calls of `work` on the device, each begun together by all ranks and timed by the slowest of them.
  Timing time_runs(at::Device device, int runs, const std::function<void()>& work);

 private:
  RankProcess& process_;
  std::chrono::milliseconds deadline_;
  Rendezvous rendezvous_;
  std::unique_ptr<Communicator> host_;
};

/// What each rank did alone, all at once, and then together.
struct AloneAndTogether {
  Timing alone, together;                           ///< Of the slowest rank.
  std::uint64_t peak_alone = 0, peak_together = 0;  ///< Bytes on the device of the rank with most; 0 on a CPU.
};
/// Their table: speed-up, and efficiency, which is the seconds alone / (ranks x those together). `what` heads its
/// lines.
Table to_table(const AloneAndTogether& times, const std::string& name, const std::string& what, int ranks);

/// Rates and latencies of the collectives that ranks use, in several sizes, and the best rate that this node reaches.
/// Each time is the median of `runs` rounds after a warm-up round. Collective.
Report bench_comm(Team& team, at::Device device, int runs);

/// Measures one guided velocity (a forward pass of each guidance branch) computed by each rank alone, all at the same
/// time, then one computed by all together with execution.ranks, and how far the two results are apart. `degrees`: the
/// parallel degrees, as text. Collective.
Report bench_forward(Team& team, const Bench& bench, const std::string& degrees);

/// Measures decoding by each rank alone, all at the same time, then by all together, each some rows of every frame, and
/// how many bytes of the frames differ. Collective.
Report bench_vae(Team& team, const Bench& bench);

}  // namespace wf
