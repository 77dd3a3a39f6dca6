// parallel/peer_tensors.hpp: copies of tensors from one GPU to another GPU of the node, which another process uses.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "cluster/transport.hpp"

namespace wf {

/// What another process of this node needs to copy these tensors: their dtypes, their shapes, and handles of their
/// memory. The tensors must be contiguous, complete and on one GPU, and stay unchanged until the copies are made. Safe
/// from any thread. Empty, with the reason in the log (debug), if the tensors are on the CPU, the build has no CUDA,
/// the memory cannot be shared, or $WANFARM_PEER_COPIES is 0.
Bytes share_tensors(const std::vector<at::Tensor>& tensors);

/// Copies tensors that another process shares to this process's GPU `own`. When it returns, the copies are complete and
/// the other process's memory is closed. like: tensors with the expected dtypes and shapes; they may be on the meta
/// device. Throws Error(environment) when the shared tensors differ from `like` or cannot be reached from here, and
/// LibTorch's out-of-memory error when `own` has no room.
std::vector<at::Tensor> copy_shared(const Bytes& shared, const std::vector<at::Tensor>& like, at::Device own);

}  // namespace wf
