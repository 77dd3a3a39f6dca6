#include "parallel/rank_group.hpp"

#include <ATen/ATen.h>

#include <utility>

namespace wf {

RankGroup::RankGroup(std::unique_ptr<Communicator> host, const Degrees& degrees, std::unique_ptr<Communicator> device)
    : host_(std::move(host)),
      device_(std::move(device)),
      place_(make_mesh(host_->size(), degrees).place(host_->rank())) {
  const Communicator& all = tensors();
  sequence_ = std::make_unique<SequenceGroup>(all.subgroup(place_.half_members), all.subgroup(place_.ulysses_group),
                                              all.subgroup(place_.ring_group));
}

std::vector<at::Tensor> RankGroup::share(const at::Tensor& own) const {
  std::vector<at::Tensor> made;
  for (int half = 0; half < halves(); ++half) {
    made.push_back(half == place_.half ? own.contiguous() : at::empty(own.sizes(), own.options()));
    tensors().broadcast(made.back(), place_.half_leaders[static_cast<std::size_t>(half)]);
  }
  return made;
}

Bytes RankGroup::from_leader(Bytes bytes) const {
  const at::Tensor size = at::full({1}, static_cast<std::int64_t>(bytes.size()), at::kLong);
  host_->broadcast(size, 0);
  bytes.resize(static_cast<std::size_t>(size.item<std::int64_t>()));
  if (!bytes.empty()) host_->broadcast(at::from_blob(bytes.data(), {size.item<std::int64_t>()}, at::kByte), 0);
  return bytes;
}

bool RankGroup::leader_says(bool leaders_own) const {
  const at::Tensor word = at::full({1}, leaders_own ? 1 : 0, at::kByte);
  host_->broadcast(word, 0);
  return word.item<std::uint8_t>() != 0;
}

}  // namespace wf
