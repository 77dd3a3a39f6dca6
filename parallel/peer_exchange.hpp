// parallel/peer_exchange.hpp: heads exchanged by copies straight into the memory of the other GPUs of a machine.
#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "parallel/head_exchange.hpp"

namespace wf {

/// As message_exchange(), but copy engines do the transfers, over NVLink or PCIe, and leave all of a GPU's processors
/// to what computes beside. Nothing of it passes the host, which never waits either: ranks wait for each other's words
/// in GPU memory, on their streams.
///
/// Collective over `host`, the ranks' communicator for CPU tensors, which is kept to agree on memory when calls become
/// larger. Empty on all ranks, with the reason in the log (debug), where it cannot be: ranks on several machines, a GPU
/// that cannot reach another one's memory, a build without CUDA, $WANFARM_PEER_COPIES being 0. A rank that is lost
/// leaves the others' streams waiting; whoever notices the loss ends the process (launcher/farm/courier.hpp).
std::unique_ptr<HeadExchange> peer_exchange(std::unique_ptr<Communicator> host, at::Device gpu);

}  // namespace wf
