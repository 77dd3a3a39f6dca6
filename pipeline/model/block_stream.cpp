#include "pipeline/model/block_stream.hpp"

#include <ATen/ATen.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "pipeline/model/packed.hpp"

namespace wf {
namespace {

/// The tensors of `block` as views of `memory`, one after another.
DitBlock laid_out(DitBlock block, const at::Tensor& memory) {
  std::int64_t offset = 0;
  for_each_streamed_tensor(block, [&](at::Tensor& tensor) {
    const std::int64_t bytes = packed_bytes(tensor);
    tensor = packed_at(memory, offset, tensor);
    offset += bytes;
  });
  return block;
}

std::vector<at::Tensor> streamed_tensors(DitBlock block) {
  std::vector<at::Tensor> tensors;
  for_each_streamed_tensor(block, [&](at::Tensor& tensor) { tensors.push_back(tensor); });
  return tensors;
}

/// Bytes of a place that has room for the block.
std::int64_t place_bytes(const DitBlock& block) {
  std::int64_t bytes = 0;
  for (const at::Tensor& tensor : streamed_tensors(block)) bytes += packed_bytes(tensor);
  return bytes;
}

}  // namespace

void for_each_streamed_tensor(DitBlock& block, const std::function<void(at::Tensor&)>& visit) {
  const std::array of_text{&block.cross_kv.weight, &block.cross_kv.bias, &block.cross_kv.scale, &block.cross_norm_k};
  for_each_tensor(block, [&](at::Tensor& tensor) {
    if (std::ranges::count(of_text, &tensor) == 0) visit(tensor);
  });
}

bool is_spread(std::size_t number, std::size_t waiting, std::size_t blocks) {
  return (number + 1) * waiting / blocks > number * waiting / blocks;
}

BlockStream::BlockStream(at::Device device, std::vector<DitBlock> blocks, std::vector<bool> waiting)
    : device_(device), blocks_(std::move(blocks)), waiting_(std::move(waiting)) {
  WF_CHECK(blocks_.size() == waiting_.size() && std::ranges::count(waiting_, true) > 0);
  std::int64_t most = 0;
  for (std::size_t i = 0; i < blocks_.size(); ++i)
    if (waiting_[i]) most = std::max(most, place_bytes(blocks_[i]));
  for (Place& place : places_) place.memory = at::empty({most}, at::TensorOptions(at::kByte).device(device_));
  if (device_.is_cpu()) return;
  copies_ = c10::impl::VirtualGuardImpl(device_.type()).getStreamFromGlobalPool(device_);
  for (Place& place : places_) {
    place.filled.emplace(device_.type());
    place.unread.emplace(device_.type());
    place.unread->record(current_stream());  // what had this memory before may still be read
  }
}

BlockStream::~BlockStream() {
  if (copies_) copies_->synchronize();
}

c10::Stream BlockStream::current_stream() const {
  return c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
}

DitBlock BlockStream::arrive(std::size_t number, const DitBlock& form) {
  WF_CHECK(waits(number));
  if (in_use_ && copies_) in_use_->unread->record(current_stream());
  Place& place = place_of(number);
  if (place.number != number) fill(place, number);
  if (copies_) place.filled->block(current_stream());
  in_use_ = &place;
  Place& other = places_[&place == &places_[0] ? 1 : 0];
  const std::size_t next = next_waiting(number);
  if (next != number && other.number != next) fill(other, next);
  return laid_out(form, place.memory);
}

/// The place that has the block, or else the one that is not in use.
BlockStream::Place& BlockStream::place_of(std::size_t number) {
  for (Place& place : places_)
    if (place.number == number) return place;
  return places_[in_use_ == &places_[0] ? 1 : 0];
}

void BlockStream::fill(Place& place, std::size_t number) {
  const std::vector<at::Tensor> from = streamed_tensors(blocks_[number]),
                                to = streamed_tensors(laid_out(blocks_[number], place.memory));
  place.number.reset();  // in case a copy fails
  if (copies_) place.unread->block(*copies_);
  {
    const c10::OptionalStreamGuard on_copies(copies_);
    for (std::size_t i = 0; i < from.size(); ++i) {
      at::Tensor(to[i]).copy_(from[i], /*non_blocking=*/true);
      bytes_copied_ += from[i].nbytes();
    }
  }
  if (copies_) place.filled->record(*copies_);
  place.number = number;
}

std::size_t BlockStream::next_waiting(std::size_t number) const {
  std::size_t next = number;
  do next = (next + 1) % waiting_.size();
  while (!waiting_[next]);
  return next;
}

}  // namespace wf
