// pipeline/experts/peer_expert.hpp: an expert that another rank of the node has on its GPU is copied from there instead
// of being read from its files.
#pragma once

#include <optional>
#include <string>

#include "parallel/weight_lease.hpp"
#include "pipeline/model/dit.hpp"

namespace wf {

/// Handles of the memory of all tensors, with which another process of this node can copy them (see share_tensors()).
/// Empty when the expert is not on a GPU or cannot be shared. The expert must stay where it is until the copy is done.
Bytes share_expert(const DitWeights& expert);

/// Copies an expert from the GPU of `peer` to the GPU `own`, waiting for its answer. like: an expert of the same shapes
/// and dtypes, on any device, meta included. name: stands in the log and the trace. Returns nothing, with the reason in
/// the debug log, when the peer does not have the expert or its memory cannot be opened. Never throws std::exception.
std::optional<DitWeights> copy_peer_expert(const WeightPeer& peer, const DitWeights& like, at::Device own,
                                           const std::string& name);

}  // namespace wf
