// launcher/bench/team.hpp: the ranks of one measurement: what they agree on, and times that hold for all of them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/error.hpp"
#include "launcher/bench/bench.hpp"
#include "launcher/process.hpp"

namespace wf {

/// All ranks leave a measurement together: rank 0 has the error to say, the others have nothing to add.
struct Abandoned {
  std::optional<Error> error;
};

/// Collective but for the simple questions: every rank calls, in one order.
class Team {
 public:
  /// Of the ranks of process.world, which is there and outlives it.
  explicit Team(Process& process);

  int rank() const { return host_->rank(); }
  int size() const { return host_->size(); }
  const Process& process() const { return process_; }
  World& world() { return *process_.world; }
  Communicator& host() { return *host_; }  ///< for CPU tensors
  /// "2 ranks on 1 machine".
  std::string words() const;

  /// All ranks in the order of a run's groups, machine by machine: theirs for CPU tensors, and for those of `device`,
  /// where that is a GPU (else none).
  struct Communicators {
    std::unique_ptr<Communicator> host, device;
  };
  Communicators communicators(at::Device device) const;

  /// Does something in which the ranks do not talk to each other. Where it fails on one, Abandoned is thrown on all,
  /// with the first one's error.
  void agree(const std::function<void()>& part);

  double most(double own);                      ///< of all ranks
  std::string from(int rank, std::string own);  ///< what that rank says; the others' own does not matter
  /// Seconds of each run of `work` on the device, of the slowest rank; all begin together.
  Timing time_runs(at::Device device, int runs, const std::function<void()>& work);

 private:
  Process& process_;
  std::unique_ptr<Communicator> host_;
};

/// What the ranks of a team send each other: every collective in several sizes, beside the best that there is.
/// `runs` rounds of each are measured after one that is not.
Report bench_comm(Team& team, at::Device device, int runs);

/// One guided velocity by each rank alone, all at once, and by all together with execution.ranks; then how far the two
/// velocities are apart. `degrees`: in words.
Report bench_forward(Team& team, const Bench& bench, const std::string& degrees);

}  // namespace wf
