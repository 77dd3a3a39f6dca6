// cluster/mpi_transport.hpp: the Transport between ranks of an MPI job.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <memory>

#include "cluster/transport.hpp"
#include "cluster/waiting.hpp"
#include "cluster/world.hpp"

namespace wf {

/// The bytes of a packet as MPI counts them. Throws Error(internal), naming the size, from 2 GiB on: counts of MPI have
/// 32 bits, and nothing that ranks send each other is meant to come near that.
int packet_count(std::size_t bytes);

/// A transport between all ranks of `parent`; collective over them. send() throws what packet_count() throws for a
/// packet of 2 GiB or more, which is not sent, and every function Error(resource) when MPI itself fails. If the
/// transport is destroyed while a packet is in flight (its receiver is lost), the packet's buffer is left to MPI until
/// the process ends, and `waiting.failed` is set.
std::unique_ptr<Transport> mpi_transport(MPI_Comm parent, const Waiting& waiting = {});

/// A transport between all ranks of a world; collective. Destroy it before the world.
std::unique_ptr<Transport> mpi_transport(World& world);

}  // namespace wf
