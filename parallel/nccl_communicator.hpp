// parallel/nccl_communicator.hpp: the communicator for CUDA tensors, over NCCL. A build without NCCL has it too, and
// reports that NCCL is missing.
#pragma once

#include <c10/core/Device.h>

#include <memory>
#include <string>
#include <vector>

#include "cluster/waiting.hpp"
#include "parallel/communicator.hpp"

namespace wf {

/// A communicator over the ranks of `host`, in their order. `host`, their communicator for CPU tensors, carries NCCL's
/// ids, and its subgroups those of the subgroups. The construction is collective over the ranks, that of a subgroup
/// over its members. Tensors are on `gpu` and of any dtype. waiting.deadline is that of one operation, counted from
/// when the GPU reaches it; the construction may take a minute at least. names: how error messages name the ranks,
/// usually by their ranks in MPI_COMM_WORLD; empty stands for 0, 1, ... Throws Error(environment) in a build without
/// NCCL.
///
/// Order. An operation sends what the current stream has computed so far. Transfers run on one stream that a
/// communicator shares with its subgroups, in the order in which they were started, which has to be the same on all
/// ranks. wait(), all_gather() and broadcast() make the current stream wait, not the host; call wait() with the stream
/// current that was current at the transfer's start. Only barrier() makes the host wait: for the peers, and for all
/// work on the current stream. The host also waits while two ranks connect, at their first exchange.
///
/// Failure. A watchdog thread polls the operations in flight. Past the deadline, when told to abort, or at an error of
/// NCCL, it aborts the communicator together with its subgroups and those it is a subgroup of. Their kernels then end,
/// and what they were to receive is undefined. The next call throws an Error(resource) that names the operation, the
/// ranks of the group, this rank, and the ranks waited for. Results can be trusted only after a later call, such as
/// barrier(), has succeeded. NCCL's memory is freed once all ranks of a group have failed, destroyed their
/// communicators, or died. Blocks of another size than expected are not detected.
///
/// The first communicator sets NCCL_NVLS_ENABLE=0 in the environment, unless the variable is set: NVLink multicast
/// speeds up reductions, which are not used here, and takes GPUs out of service on some virtual machines.
std::unique_ptr<Communicator> nccl_communicator(std::unique_ptr<Communicator> host, at::Device gpu,
                                                const Waiting& waiting = {}, std::vector<int> names = {});

/// Name and version of the loaded library, "NCCL 2.28.9"; empty in a build without NCCL.
std::string nccl_library();

}  // namespace wf
