// parallel/nccl_communicator.hpp: the communicator for CUDA tensors, over NCCL. A build without NCCL has it too, to say
// so.
#pragma once

#include <c10/core/Device.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "parallel/communicator.hpp"

namespace wf {

/// How a communicator and its subgroups wait for their peers. What is pointed to outlives them.
struct NcclWaiting {
  /// Of one call, from when its data are there. To be made, a communicator has a minute at least.
  std::chrono::milliseconds deadline = std::chrono::minutes(10);
  const std::atomic<bool>* abort = nullptr;  ///< once it is set, by any thread, all waiting ends as with the deadline
  std::atomic<bool>* failed = nullptr;       ///< set when one of them failed
};

/// Over the ranks of `host`, in their order, which is the twin for CPU tensors: it carries NCCL's ids, and makes the
/// subgroups' own. Collective over them, as subgroup() is over its members. Tensors are on `gpu` and of any dtype.
/// names: what messages call the ranks, usually their ranks in MPI_COMM_WORLD; empty: 0, 1, ... Throws environment in a
/// build without NCCL.
///
/// Order. What is sent is what the current stream has made so far; transfers run on a stream that a communicator shares
/// with its subgroups, in the order in which they were started, which has to be one order on all ranks. wait(),
/// all_gather() and broadcast() make the current stream wait, not the host; a transfer is waited for on the stream that
/// was current at its start. barrier() alone makes the host wait: for its peers, and for all that the current stream
/// had to do. The host also waits where two ranks talk for the first time, and connect.
///
/// Failure. A thread looks at what is under way. Past the deadline, told to abort, or at an error of NCCL it aborts the
/// communicator and its kin: its subgroups, and those it is one of. That ends what they run on the GPU; what was to be
/// received is rubbish then. The next call throws an Error(resource) that names the call, the ranks of the group, this
/// one, and those waited for. So nothing computed is to be trusted before a later call, such as barrier(), went well.
/// NCCL's memory is free once all ranks of a group have failed, dropped theirs, or died. Blocks of another size than
/// expected are not noticed as such.
///
/// The first one made sets NCCL_NVLS_ENABLE=0 in the environment, unless it is set already: NVLink multicast speeds up
/// reductions, of which there are none here, and takes GPUs out of service on some virtual machines.
std::unique_ptr<Communicator> nccl_communicator(std::unique_ptr<Communicator> host, at::Device gpu,
                                                const NcclWaiting& waiting = {}, std::vector<int> names = {});

/// "NCCL 2.28.9", as it is loaded; empty in a build without it.
std::string nccl_library();

}  // namespace wf
