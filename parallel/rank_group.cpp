#include "parallel/rank_group.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "parallel/device_span.hpp"
#include "parallel/peer_exchange.hpp"

namespace wf {
namespace {

/// Makes one communicator for each set of ranks; most degrees need the same set more than once.
class Subgroups {
 public:
  explicit Subgroups(std::shared_ptr<Communicator> all) : all_(std::move(all)) {
    std::vector<int> everyone(static_cast<std::size_t>(all_->size()));
    std::iota(everyone.begin(), everyone.end(), 0);
    made_[everyone] = all_;
  }
  std::shared_ptr<Communicator> of(const std::vector<int>& members) {
    std::shared_ptr<Communicator>& group = made_[members];
    if (!group) group = all_->subgroup(members);
    return group;
  }

 private:
  std::shared_ptr<Communicator> all_;
  std::map<std::vector<int>, std::shared_ptr<Communicator>> made_;
};

}  // namespace

RankGroup::RankGroup(std::unique_ptr<Communicator> host, const Degrees& degrees, OnGpus gpus)
    : host_(std::move(host)),
      device_(std::move(gpus.communicator)),
      place_(make_mesh(host_->size(), degrees).place(host_->rank())) {
  Subgroups groups(device_ ? device_ : host_);
  const auto branch = groups.of(place_.branch_members), ulysses = groups.of(place_.ulysses_group),
             ring = groups.of(place_.ring_group);
  std::unique_ptr<HeadExchange> heads;
  if (device_ && ulysses->size() > 1) heads = peer_exchange(host_->subgroup(place_.ulysses_group), gpus.own);
  if (!heads) heads = message_exchange(ulysses);
  sequence_ = std::make_unique<SequenceGroup>(branch, std::move(heads), ring);
}

std::vector<at::Tensor> RankGroup::share(const at::Tensor& own) const {
  const DeviceSpan span(own.device(), "GPU", "wait", "velocities");
  std::vector<at::Tensor> all;
  for (int branch = 0; branch < branches(); ++branch) {
    all.push_back(branch == place_.branch ? own.contiguous() : at::empty(own.sizes(), own.options()));
    everyone().broadcast(all.back(), place_.branch_leaders[static_cast<std::size_t>(branch)]);
  }
  return all;
}

Bytes RankGroup::from_leader(Bytes bytes) const {
  const at::Tensor size = at::full({1}, static_cast<std::int64_t>(bytes.size()), at::kLong);
  host_->broadcast(size, 0);
  const at::Tensor content = at::empty({size.item<std::int64_t>()}, at::kByte);  // MPI may write there after a failure
  std::uint8_t* const begin = content.mutable_data_ptr<std::uint8_t>();
  if (rank() == 0) std::ranges::copy(bytes, begin);
  if (content.numel() > 0) host_->broadcast(content, 0);
  return {begin, begin + content.numel()};
}

bool RankGroup::from_leader(bool value) const {
  const at::Tensor flag = at::full({1}, value ? 1 : 0, at::kByte);
  host_->broadcast(flag, 0);
  return flag.item<std::uint8_t>() != 0;
}

}  // namespace wf
