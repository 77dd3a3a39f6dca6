// parallel/peer_tensors.hpp: tensors of one GPU, copied to another one by another process of the machine.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "parallel/mail.hpp"

namespace wf {

/// What another process of this machine needs to copy these tensors, which are contiguous, of one GPU, and complete:
/// their dtypes and shapes, and handles of their memory. They have to stay, unchanged, until it has done so. For any
/// thread. Empty, with the reason in the log (debug), where it cannot be: tensors on the CPU, a build without CUDA,
/// memory that cannot be shared, $WANFARM_PEER_COPIES being 0.
Bytes share_tensors(const std::vector<at::Tensor>& tensors);

/// Copies on this process's own GPU of what another one shares; complete, and with nothing held of the other's memory,
/// when it returns. like: what they have to be (dtypes and shapes alone are looked at; may be on the meta device).
/// Throws Error(environment) when they are something else, or their memory cannot be reached from here, and what
/// LibTorch throws when the own is too little.
std::vector<at::Tensor> copy_shared(const Bytes& shared, const std::vector<at::Tensor>& like, at::Device own);

}  // namespace wf
