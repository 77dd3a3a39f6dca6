// parallel/peer_exchange.hpp: heads exchanged by copies straight into the memory of other GPUs of the same node.
#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "parallel/head_exchange.hpp"

namespace wf {

/// A head exchange, like message_exchange(), in which copy engines do the transfers, over NVLink or PCIe, and leave all
/// multiprocessors of the GPU to concurrent kernels. No data pass through the host, and the host never waits: streams
/// wait for flags that other ranks write into GPU memory.
///
/// Collective over `host`, the ranks' communicator for CPU tensors, which the exchange keeps to agree on memory when
/// calls become larger. Null on all ranks, with the reason in the log (debug), if the ranks are on several nodes, a GPU
/// cannot reach another one's memory, the build has no CUDA, or $WANFARM_PEER_COPIES is 0. A lost rank leaves the
/// others' streams waiting; whoever notices the loss ends the process (launcher/run/rank_agent.hpp).
std::unique_ptr<HeadExchange> peer_exchange(std::unique_ptr<Communicator> host, at::Device gpu);

}  // namespace wf
