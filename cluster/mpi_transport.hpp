// cluster/mpi_transport.hpp: the Transport between ranks of an MPI job.
#pragma once

#include <mpi.h>

#include <memory>

#include "cluster/transport.hpp"
#include "cluster/waiting.hpp"
#include "cluster/world.hpp"

namespace wf {

/// A transport between all ranks of `parent`; collective over them. A packet has less than 2 GiB. Throws
/// Error(resource) when MPI itself fails. If the transport is destroyed while a packet is in flight (its receiver is
/// lost), the packet's buffer is left to MPI until the process ends, and `waiting.failed` is set.
std::unique_ptr<Transport> mpi_transport(MPI_Comm parent, const Waiting& waiting = {});

/// A transport between all ranks of a world; collective. Destroy it before the world.
std::unique_ptr<Transport> mpi_transport(World& world);

}  // namespace wf
