// cluster/world.hpp: all ranks of a run: starts and ends MPI in this process, and knows which ranks share a node.
#pragma once

#include <atomic>
#include <cstdint>
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

/// The place of `rank`, given the name of each rank's node.
NodePlace node_place(const std::vector<std::string>& nodes, int rank);

/// What tells whether two ranks are on one node, that is, can share memory.
struct NodeKey {
  int first_rank = 0;        ///< the lowest of the ranks that MPI could let share memory with this one
  std::uint64_t memory = 0;  ///< the file system at /dev/shm: containers on one machine may have one each
  bool operator==(const NodeKey&) const = default;
};

/// A name for each rank's node, the same for two ranks if and only if their keys are equal: the host name of the node's
/// first rank, with "#2", "#3" where other nodes have that name, too.
std::vector<std::string> node_names(const std::vector<NodeKey>& keys, const std::vector<std::string>& hosts);

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
  /// The name of each rank's node, for messages and for comparing: equal if and only if ranks are on one node
  /// (node_names()). Host names alone do not tell: containers on different machines may have the same one.
  const std::vector<std::string>& hosts() const { return hosts_; }
  const NodePlace& place() const { return place_; }
  /// The process_identity() (base/machine.hpp) of each rank.
  const std::vector<std::string>& processes() const { return processes_; }

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
  std::vector<std::string> hosts_, processes_;
  NodePlace place_;
};

/// Name and version of the MPI library, for example "Open MPI v4.1.4". Needs no World.
std::string mpi_library();

/// Throws Error(environment) unless `provided`, as MPI_Init_thread returned it, is MPI_THREAD_MULTIPLE.
void require_thread_multiple(int provided);

}  // namespace wf
