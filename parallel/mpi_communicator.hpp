// parallel/mpi_communicator.hpp: the communicator for CPU tensors, over MPI: renders without GPUs, and the oracle of
// what runs on them.
#pragma once

#include <mpi.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>

#include "parallel/communicator.hpp"

namespace wf {

/// How long a communicator and its subgroups wait for their peers. What is pointed to outlives them.
struct MpiWaiting {
  std::chrono::milliseconds deadline = std::chrono::minutes(10);  ///< of one wait(), not of the whole transfer
  const std::atomic<bool>* abort = nullptr;  ///< once it is set, by any thread, all waiting ends as with the deadline
  std::atomic<bool>* failed = nullptr;       ///< set when one of them failed
  std::size_t piece = std::size_t{1} << 30;  ///< bytes of the largest message; MPI counts no further than 2^31 - 1
};

/// Over the ranks of `parent`, in their order; collective over them, as subgroup() is over its members: both wait for
/// the other members without a deadline. Groups of one parent are made by one thread at a time; different
/// communicators may be used by different threads at once. Tensors are of any dtype.
///
/// A failure (deadline, abort, an error of the library) is an Error(resource) that names the call, this rank and the
/// peers waited for, all by their ranks in MPI_COMM_WORLD. What is under way then neither completes nor can be
/// cancelled, so the MPI communicator, its requests and their tensors are left as they are for the process's life.
std::unique_ptr<Communicator> mpi_communicator(MPI_Comm parent, const MpiWaiting& waiting = {});

}  // namespace wf
