// parallel/rank_group.hpp: the group of ranks that work on one stage of one clip together.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "cluster/transport.hpp"
#include "parallel/communicator.hpp"
#include "parallel/mesh.hpp"
#include "parallel/sequence_parallel.hpp"

namespace wf {

/// The communicators of a mesh. With guidance 2 the group has two branches, one for the conditional and one for the
/// unconditional forward; each branch divides the sequence over its ranks. Calls throw what Communicator throws.
class RankGroup {
 public:
  /// The communicator for tensors on GPUs (null: tensors are on the CPU), over the same ranks, and this rank's GPU.
  struct OnGpus {
    std::unique_ptr<Communicator> communicator;
    at::Device own = at::kCPU;
  };
  /// Collective over `host`, the group's communicator for CPU tensors; all its ranks pass the same degrees. Throws
  /// Error(input) when the degrees do not fit the number of ranks.
  RankGroup(std::unique_ptr<Communicator> host, const Degrees& degrees, OnGpus gpus);
  RankGroup(std::unique_ptr<Communicator> host, const Degrees& degrees) : RankGroup(std::move(host), degrees, {}) {}

  int rank() const { return host_->rank(); }
  int size() const { return host_->size(); }
  int branches() const { return static_cast<int>(place_.branch_leaders.size()); }
  /// 0: the conditional forward, and both forwards when there is one branch; 1: the unconditional forward.
  int branch() const { return place_.branch; }
  const SequenceGroup& sequence() const { return *sequence_; }
  /// Of all ranks of the group, for tensors on the device that they compute on.
  Communicator& everyone() const { return device_ ? *device_ : *host_; }

  /// The tensor of each branch, in branch order. Every rank passes its own branch's tensor, the same on all ranks of
  /// the branch, and gets the other branch's. Both branches have the same shape and dtype.
  std::vector<at::Tensor> share(const at::Tensor& own) const;

  /// The bytes that the leader, rank 0, passes. The other ranks' argument is ignored.
  Bytes from_leader(Bytes bytes) const;
  /// The value that the leader, rank 0, passes. The other ranks' argument is ignored.
  bool from_leader(bool value) const;

 private:
  std::shared_ptr<Communicator> host_, device_;
  MeshPlace place_;
  std::unique_ptr<SequenceGroup> sequence_;
};

}  // namespace wf
