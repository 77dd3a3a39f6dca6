// parallel/weight_lease.hpp: weights on a rank's GPU, leased to another rank of the node while it copies them.
#pragma once

#include <functional>
#include <memory>

#include "cluster/transport.hpp"

namespace wf {

/// Permission to copy another rank's weights.
struct WeightLease {
  Bytes handles = {};                      ///< result of share_tensors(); empty when nothing is leased
  std::shared_ptr<const void> lease = {};  ///< the weights stay unchanged as long as this is kept, on either rank
};

/// A rank of this node that may hold the weights that are needed.
struct WeightPeer {
  int rank = 0;
  std::function<WeightLease()> request;  ///< asks that rank for a lease, and waits for its answer
};

}  // namespace wf
