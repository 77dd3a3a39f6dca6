#include "pipeline/experts/host_expert.hpp"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <spdlog/fmt/fmt.h>

#include <span>
#include <string>
#include <utility>

#include "base/check.hpp"
#include "parallel/device.hpp"
#include "parallel/host_copy.hpp"
#include "pipeline/experts/converted_expert.hpp"
#include "pipeline/model/packed.hpp"

namespace wf {
namespace {

constexpr std::int64_t page = 4096;
/// So much is pinned by one call, or one tensor if it has more.
constexpr std::int64_t most_of_a_piece = 256 << 20;

std::int64_t up_to_a_page(std::int64_t bytes) { return (bytes + page - 1) / page * page; }

std::string form_of(const at::Tensor& tensor) {
  return fmt::format("{} {};", at::toString(tensor.scalar_type()), fmt::join(tensor.sizes(), "x"));
}

/// The expert `like` with its tensors in the memory, which they keep. They may be written in and out of inference mode.
DitWeights laid_out(DitWeights like, const HostLayout& layout, const std::shared_ptr<HostMemory>& memory) {
  WF_CHECK(memory->bytes() == layout.bytes);
  const c10::InferenceMode plain_tensors(false);
  const at::Tensor bytes = at::from_blob(
      memory->data(), {static_cast<std::int64_t>(layout.bytes)}, [memory](void*) {}, at::kByte);
  for_each_tensor(like, [&, offset = layout.offsets.begin()](at::Tensor& tensor) mutable {
    tensor = packed_at(bytes, *offset++, tensor);
  });
  return like;
}

std::vector<std::span<std::byte>> pieces_of(const HostLayout& layout, const HostMemory& memory) {
  std::vector<std::span<std::byte>> pieces;
  for (const HostLayout::Piece& piece : layout.pieces)
    pieces.emplace_back(memory.data() + piece.begin, memory.data() + piece.end);
  return pieces;
}

}  // namespace

HostLayout::HostLayout(const DitWeights& like) {
  std::string forms;
  std::int64_t end = 0;
  for (const at::Tensor& tensor : tensors_of(like)) {
    const std::int64_t size = packed_bytes(tensor);
    if (pieces.empty() || end + size > pieces.back().begin + most_of_a_piece) {
      end = up_to_a_page(end);
      pieces.push_back({end, end});
    }
    offsets.push_back(end);
    end += size;
    pieces.back().end = up_to_a_page(end);
    forms += form_of(tensor);
  }
  bytes = static_cast<std::uint64_t>(up_to_a_page(end));
  key = std::hash<std::string>()(forms);  // the same on all ranks: they run one program
}

HostExpert::HostExpert(DitWeights like, std::shared_ptr<HostMemory> memory, at::Device device, Pages pages,
                       const HostExpert* after)
    : memory_(std::move(memory)), device_(device) {
  const HostLayout layout(like);
  weights_ = laid_out(std::move(like), layout, memory_);
  const auto none = std::vector<std::span<std::byte>>();
  pinning_ = std::make_shared<Pinning>(device, memory_, pages == Pages::pinned ? pieces_of(layout, *memory_) : none,
                                       after ? after->pinning_ : nullptr);
}

const DitWeights& HostExpert::weights() {
  pinning_->wait_until(memory_->data() + memory_->bytes());
  return weights_;
}

/// The copy may still be under way: synchronize() waits.
void HostExpert::keep(const at::Tensor& from, const at::Tensor& place) {
  WF_CHECK(from.scalar_type() == place.scalar_type() && from.sizes() == place.sizes());
  pinning_->wait_until(static_cast<const std::byte*>(place.const_data_ptr()) + place.nbytes());
  memory_->mark_writing();
  at::Tensor(place).copy_(from, /*non_blocking=*/true);
}

bool HostExpert::write(const DitWeights& from) {
  const std::unique_ptr<HostMemory::Turn> turn = memory_->wait_for_turn();
  if (!turn) return false;
  const std::vector<at::Tensor> places = tensors_of(weights_), tensors = tensors_of(from);
  WF_CHECK(places.size() == tensors.size());
  for (std::size_t i = 0; i < places.size(); ++i) keep(tensors[i], places[i]);
  synchronize_stream(device_);
  turn->finish();
  return true;
}

/// Each block leaves the device at once, which is too small for all of them.
SettleBlock HostExpert::settling(bool keeps) {
  return [this, keeps](std::size_t number, DitBlock& block) {
    DitBlock place = weights_.blocks.at(number);
    std::vector<at::Tensor> places;
    for_each_tensor(place, [&](const at::Tensor& tensor) { places.push_back(tensor); });
    for_each_tensor(block, [&, next = places.begin()](at::Tensor& tensor) mutable {
      if (keeps) keep(tensor, *next);
      tensor = *next++;
    });
    synchronize_stream(device_);
  };
}

/// What `load` gives besides the blocks is kept last.
void HostExpert::load_and_keep(const Load& load, HostMemory::Turn& turn) {
  const std::vector<at::Tensor> places = tensors_of(weights_), tensors = tensors_of(load(settling(/*keeps=*/true)));
  WF_CHECK(places.size() == tensors.size());
  for (std::size_t i = 0; i < places.size(); ++i)
    if (tensors[i].const_data_ptr() != places[i].const_data_ptr()) keep(tensors[i], places[i]);
  synchronize_stream(device_);
  turn.finish();
}

void HostExpert::write_loaded(const Load& load, const std::stop_token& stop) {
  if (const std::unique_ptr<HostMemory::Turn> turn = memory_->wait_for_turn(stop)) load_and_keep(load, *turn);
}

void HostExpert::write_loaded_together(const Load& load) {
  const std::unique_ptr<HostMemory::Turn> turn = memory_->turn_if_free();
  turn ? load_and_keep(load, *turn) : void(load(settling(/*keeps=*/false)));
}

std::optional<DitWeights> HostExpert::load_for_all(const Load& load, const std::stop_token& stop) {
  if (const std::unique_ptr<HostMemory::Turn> turn = memory_->wait_for_turn(stop)) {
    DitWeights loaded = load([this](std::size_t, DitBlock&) { memory_->mark_writing(); });
    const std::vector<at::Tensor> places = tensors_of(weights_), tensors = tensors_of(loaded);
    WF_CHECK(places.size() == tensors.size());
    for (std::size_t i = 0; i < places.size(); ++i) copy_to_host(tensors[i], places[i].data_ptr());
    turn->finish();
    return loaded;
  }
  if (!is_written()) return std::nullopt;
  return uploaded();
}

DitWeights HostExpert::uploaded() const {
  DitWeights expert = weights_;
  for_each_tensor(expert, [&](at::Tensor& tensor) {
    const at::Tensor copy = at::empty(tensor.sizes(), tensor.options().device(device_));
    copy_to_device(tensor.const_data_ptr(), copy);
    tensor = copy;
  });
  return expert;
}

}  // namespace wf
