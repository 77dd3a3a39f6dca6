// cluster/world.hpp: all ranks of a run: starts and ends MPI in this process, and knows which ranks share a node.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "cluster/waiting.hpp"

namespace wf {

/// The node of a rank, and its place among the ranks there. Nodes are numbered in the order of their first ranks.
struct NodePlace {
  int node = 0, nodes = 1;
  int local_rank = 0, local_size = 1;
  bool operator==(const NodePlace&) const = default;
};

/// The place of `rank`, given the host name of each rank.
NodePlace node_place(const std::vector<std::string>& hosts, int rank);

/// The constructor initialises MPI, the destructor finalises it. One per process, made in main() and handed down. A
/// program that was started by neither mpirun nor srun is a world of one rank.
class World {
 public:
  /// Collective over all ranks, and the only collective call of this class. Throws Error(environment) when MPI does not
  /// support calls from several threads at once (MPI_THREAD_MULTIPLE). Ends the process with a message when MPI has not
  /// started after 180 s.
  World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  int rank() const { return rank_; }
  int size() const { return static_cast<int>(hosts_.size()); }
  /// The host name of each rank's node, as MPI reports it.
  const std::vector<std::string>& hosts() const { return hosts_; }
  const NodePlace& place() const { return place_; }

  /// Ends all processes of the run through their launcher, including those that hang. Does not return.
  [[noreturn]] void abort(int exit_code);

  /// Connects the `failed` flag of `waiting` to this world. Whatever communicates in MPI_COMM_WORLD should wait with
  /// the result: after a failure the world skips MPI_Finalize, which would wait for the lost rank.
  Waiting watched(Waiting waiting) {
    waiting.failed = &session_.failed;
    return waiting;
  }

 private:
  /// The time from MPI_Init_thread to MPI_Finalize.
  struct Session {
    Session();
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    std::atomic<bool> failed = false;
  };

  Session session_;  // the first member, so that MPI ends last, also when the constructor throws
  int rank_ = 0;
  std::vector<std::string> hosts_;
  NodePlace place_;
};

/// Name and version of the MPI library, for example "Open MPI v4.1.4". Needs no World.
std::string mpi_library();

/// Throws Error(environment) unless `provided`, as MPI_Init_thread returned it, is MPI_THREAD_MULTIPLE.
void require_thread_multiple(int provided);

}  // namespace wf
