// parallel/mpi_mail.hpp: mail over MPI.
#pragma once

#include <mpi.h>

#include "parallel/mail.hpp"
#include "parallel/mpi_communicator.hpp"

namespace wf {

/// Between all ranks of `parent`; collective over them. A letter is less than 2 GiB. Throws Error(resource) when MPI
/// itself fails. Ended while something has not left (its receiver is gone), it is left to MPI for the process's life,
/// and `waiting.failed` is set.
std::unique_ptr<Mail> mpi_mail(MPI_Comm parent, const MpiWaiting& waiting = {});

}  // namespace wf
