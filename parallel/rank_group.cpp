#include "parallel/rank_group.hpp"

#include <ATen/ATen.h>

#include <utility>

namespace wf {

RankGroup::RankGroup(std::unique_ptr<Communicator> all, const Degrees& degrees)
    : all_(std::move(all)), place_(make_mesh(all_->size(), degrees).place(all_->rank())) {
  sequence_ = std::make_unique<SequenceGroup>(all_->subgroup(place_.half_members), all_->subgroup(place_.ulysses_group),
                                              all_->subgroup(place_.ring_group));
}

std::vector<at::Tensor> RankGroup::share(const at::Tensor& own) const {
  std::vector<at::Tensor> made;
  for (int half = 0; half < halves(); ++half) {
    made.push_back(half == place_.half ? own.contiguous() : at::empty(own.sizes(), own.options()));
    all_->broadcast(made.back(), place_.half_leaders[static_cast<std::size_t>(half)]);
  }
  return made;
}

Bytes RankGroup::from_leader(Bytes bytes) const {
  const at::Tensor size = at::full({1}, static_cast<std::int64_t>(bytes.size()), at::kLong);
  all_->broadcast(size, 0);
  bytes.resize(static_cast<std::size_t>(size.item<std::int64_t>()));
  if (!bytes.empty()) all_->broadcast(at::from_blob(bytes.data(), {size.item<std::int64_t>()}, at::kByte), 0);
  return bytes;
}

bool RankGroup::leader_says(bool leaders_own) const {
  const at::Tensor word = at::full({1}, leaders_own ? 1 : 0, at::kByte);
  all_->broadcast(word, 0);
  return word.item<std::uint8_t>() != 0;
}

}  // namespace wf
