// parallel/rank_group.hpp: the ranks that work on one stage of one clip together.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "parallel/communicator.hpp"
#include "parallel/mail.hpp"
#include "parallel/mesh.hpp"
#include "parallel/sequence_parallel.hpp"

namespace wf {

/// Communicators for a mesh. With guidance 2 the group has two halves, one for each text; each half cuts the sequence
/// over its ranks.
class RankGroup {
 public:
  /// Where tensors are on GPUs: the same ranks' communicator for them (none: tensors are on the CPU), and this rank's
  /// GPU.
  struct OnGpus {
    std::unique_ptr<Communicator> communicator;
    at::Device own = at::kCPU;
  };
  /// Collective over `host`, the group's communicator for CPU tensors: every rank of it makes its group with the same
  /// degrees. Throws input when the degrees do not fit.
  RankGroup(std::unique_ptr<Communicator> host, const Degrees& degrees, OnGpus gpus);
  RankGroup(std::unique_ptr<Communicator> host, const Degrees& degrees) : RankGroup(std::move(host), degrees, {}) {}

  int rank() const { return host_->rank(); }
  int size() const { return host_->size(); }
  int halves() const { return static_cast<int>(place_.half_leaders.size()); }
  int half() const { return place_.half; }  ///< 0: the conditional forward, and everything where there is one half
  const SequenceGroup& sequence() const { return *sequence_; }

  /// What each half made, in their order: every rank of a half has its own half's tensor, and gets the other's. Shapes
  /// and dtypes are the same in both.
  std::vector<at::Tensor> share(const at::Tensor& own) const;

  // Of the first rank, the leader, all others get:
  Bytes from_leader(Bytes bytes) const;      ///< its bytes; what the others pass does not matter
  bool leader_says(bool leaders_own) const;  ///< its word

 private:
  Communicator& tensors() const { return device_ ? *device_ : *host_; }

  std::shared_ptr<Communicator> host_, device_;
  MeshPlace place_;
  std::unique_ptr<SequenceGroup> sequence_;
};

}  // namespace wf
