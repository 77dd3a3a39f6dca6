// pipeline/peer_expert.hpp: an expert that another rank of the machine has on its GPU comes from there instead of from
// its files.
#pragma once

#include <optional>
#include <string>

#include "parallel/lender.hpp"
#include "pipeline/model/dit.hpp"

namespace wf {

/// Handles of all its tensors; empty where it cannot be copied (share_tensors).
Bytes share_expert(const DitWeights& expert);

/// A copy on this process's own GPU. like: the expert as its files would give it; the meta device will do. name: for
/// the log and the trace. Empty, with the reason in the log (debug), when the lender has no such expert, or it cannot
/// be reached.
std::optional<DitWeights> borrow_expert(const Lender& lender, const DitWeights& like, at::Device own,
                                        const std::string& name);

}  // namespace wf
