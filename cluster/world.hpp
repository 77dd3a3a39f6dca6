// parallel/world.hpp: all ranks of a run: MPI, started and ended, and which ranks share a machine.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "parallel/communicator.hpp"
#include "parallel/mail.hpp"
#include "parallel/mpi_communicator.hpp"
#include "parallel/node_reader.hpp"

namespace wf {

/// A rank among those of its machine. Machines are numbered in the order of their first ranks.
struct NodePlace {
  int node = 0, nodes = 1;
  int local_rank = 0, local_size = 1;
  bool operator==(const NodePlace&) const = default;
};

/// hosts: the machine of each rank.
NodePlace node_place(const std::vector<std::string>& hosts, int rank);

/// MPI for the life of the object; one per process, made in main() and handed down. A program that neither mpirun nor
/// srun started is a world of one rank.
class World {
 public:
  /// Collective over all ranks, the only call here that is. Throws environment when MPI cannot be called from several
  /// threads at once, as wanfarm does.
  World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  int rank() const { return rank_; }
  int size() const { return static_cast<int>(hosts_.size()); }
  /// The machine of each rank, as MPI names it.
  const std::vector<std::string>& hosts() const { return hosts_; }
  const NodePlace& place() const { return place_; }

  /// A communicator over all ranks: collective, and to be dropped before the world. Should it fail, or a subgroup of
  /// it, MPI is left without MPI_Finalize, which would wait for the lost rank: then only a quick end of the process
  /// helps.
  std::unique_ptr<Communicator> communicator(MpiWaiting waiting = {});
  /// Ends all processes of the run through their launcher, also those that hang. Does not return.
  [[noreturn]] void abort(int exit_code);

  /// Mail between all ranks; collective, and to be dropped before the world.
  std::unique_ptr<Mail> mail();
  /// Of some ranks of one machine: collective over them, to be dropped before the world. Its failure is as a
  /// communicator's.
  std::unique_ptr<NodeReader> node_reader(const std::vector<int>& members, MpiWaiting waiting = {});

 private:
  /// MPI_Init_thread to MPI_Finalize.
  struct Session {
    Session();
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    std::atomic<bool> failed = false;
  };

  Session session_;  // first: it ends last, also when the constructor throws
  int rank_ = 0;
  std::vector<std::string> hosts_;
  NodePlace place_;
};

/// "Open MPI v4.1.4". Needs no World.
std::string mpi_library();

/// Throws environment unless `provided`, as MPI_Init_thread returns it, is MPI_THREAD_MULTIPLE.
void require_thread_multiple(int provided);

}  // namespace wf
