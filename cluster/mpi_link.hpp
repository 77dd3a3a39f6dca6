// cluster/mpi_link.hpp: an owned MPI communicator. Only for files that include <mpi.h> anyway.
#pragma once

#include <mpi.h>

#include <vector>

#include "cluster/waiting.hpp"

namespace wf {

/// An MPI communicator over some ranks of a parent, in the order given. The destructor frees it, unless the link is
/// broken: MPI_Comm_free would wait for pending messages that never complete.
struct MpiLink {
  /// Collective over the members alone; waits for them without a deadline. Throws Error(resource) when MPI fails.
  MpiLink(MPI_Comm parent, const std::vector<int>& members, const Waiting& how_to_wait);
  ~MpiLink();
  MpiLink(const MpiLink&) = delete;
  MpiLink& operator=(const MpiLink&) = delete;
  /// Marks the link as broken because a member is lost or has failed, and sets waiting.failed.
  void give_up();

  MPI_Comm comm = MPI_COMM_NULL;
  int rank = 0, size = 0;
  std::vector<int> world_ranks;  ///< each member's rank in MPI_COMM_WORLD, for messages to the user
  Waiting waiting;
  bool broken = false;  ///< true once a call has failed: the link cannot be used any more
};

/// The ranks 0, 1, ... of a communicator: the members of a link over all of it.
std::vector<int> all_ranks_of(MPI_Comm comm);

}  // namespace wf
