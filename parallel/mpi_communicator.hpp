// parallel/mpi_communicator.hpp: the communicator for CPU tensors, over MPI. It serves renders without GPUs, and is the
// oracle for the communicator of CUDA tensors.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <memory>

#include "cluster/waiting.hpp"
#include "cluster/world.hpp"
#include "parallel/communicator.hpp"

namespace wf {

/// Bytes of the largest message passed to MPI, whose counts are 32-bit integers. Longer ones are sent in chunks.
constexpr std::size_t longest_mpi_message = std::size_t{1} << 30;

/// A communicator over the ranks of `parent`, in their order. Its construction is collective over them, that of a
/// subgroup over the members; both wait for the other members without a deadline. Communicators of one parent must be
/// constructed by one thread at a time; different threads may use different communicators at once. Tensors are of any
/// dtype.
///
/// A failure (deadline, abort, an error of the library) is an Error(resource) that names the operation, this rank and
/// the peers waited for, all by their ranks in MPI_COMM_WORLD. Pending messages then neither complete nor can be
/// cancelled, so the MPI communicator, its requests and their tensors are kept until the process ends.
std::unique_ptr<Communicator> mpi_communicator(MPI_Comm parent, const Waiting& waiting = {},
                                               std::size_t longest_message = longest_mpi_message);

/// A communicator over all ranks of a world. Destroy it before the world. If it fails, or a subgroup of it, the world
/// skips MPI_Finalize, which would wait for the lost rank; the process should then end soon.
std::unique_ptr<Communicator> mpi_communicator(World& world, const Waiting& waiting = {});

}  // namespace wf
