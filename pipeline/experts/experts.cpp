#include "pipeline/experts/experts.hpp"

#include <ATen/ATen.h>
#include <spdlog/stopwatch.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/check.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "parallel/device.hpp"
#include "pipeline/model/block_stream.hpp"

namespace wf {
namespace {

DitWeights transformed(const DitWeights& weights, const std::function<at::Tensor(const at::Tensor&)>& change) {
  DitWeights changed = weights;
  for_each_tensor(changed, [&](at::Tensor& tensor) { tensor = change(tensor); });
  return changed;
}

/// For each block whether it stays in host memory.
std::vector<bool> waiting_blocks(std::size_t blocks, int streamed) {
  const std::size_t count = std::min(static_cast<std::size_t>(streamed), blocks);
  std::vector<bool> waiting;
  for (std::size_t i = 0; i < blocks; ++i) waiting.push_back(is_spread(i, count, blocks));
  return waiting;
}

/// Adds the blocks that stay in host memory to weights on the device, and what brings them there.
void begin_stream(DitWeights& weights, const std::vector<DitBlock>& host, const std::vector<bool>& waiting) {
  for (std::size_t i = 0; i < waiting.size(); ++i)
    if (waiting[i]) weights.blocks[i] = host[i];
  weights.stream = std::make_shared<BlockStream>(weights.device(), host, waiting);
}

bool has_fp8(const DitWeights& weights) {
  bool found = false;
  DitWeights all = weights;
  for_each_tensor(all, [&](const at::Tensor& tensor) { found |= tensor.defined() && tensor.element_size() == 1; });
  return found;
}

/// Waits until this is the only reference, so that releasing it frees the memory.
void wait_for_leases(const std::shared_ptr<const DitWeights>& leased, std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (leased.use_count() > 1) {
    if (std::chrono::steady_clock::now() > end)
      return spdlog::warn("an expert that has to leave the device is still leased: its memory stays taken for now");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

Experts::~Experts() {
  behind_.reset();
  for (Place& each : places_) wait_for_leases(take(each), patience_);
}

const DitWeights& Experts::use(Expert which, NodeReader* together, const WeightPeer* peer) {
  Place& wanted = place(which);
  take_loaded_behind(which);
  if (wanted.device) return *wanted.device;
  Place& other = place(which == Expert::high ? Expert::low : Expert::high);
  if (residency_ == Residency::exchanged) copy_to_host(other);
  if (residency_ == Residency::one && !other.is_given) keep(other, nullptr);
  if (residency_ != Residency::both) leave(other);
  if (streamed_ > 0) load_to_host(which, together);
  // Ranks that read files together all do, even where one of them has made the copy already.
  if (residency_ == Residency::both && wanted.host && !together)
    put(wanted, *wanted.host->load_for_all([&](const SettleBlock&) { return load_(which, nullptr, peer, {}); }));
  else if (wanted.has_copy() && (streamed_ > 0 || !together))
    enter(wanted);
  else
    put(wanted, in_form(load_(which, together, peer, {}), wanted));
  if (residency_ == Residency::both) keep(wanted, nullptr);
  return *wanted.device;
}

void Experts::load_behind(Expert which) {
  const Place& wanted = place(which);
  const bool has_room = residency_ == Residency::both || (residency_ == Residency::exchanged && wanted.host);
  if (!has_room || behind_ || wanted.device || wanted.has_copy()) return;
  behind_.emplace(which, device_, [this, which](const std::stop_token& stop) { return loaded_behind(which, stop); });
}

/// Runs on a thread of its own. A stop takes effect once a block is loaded.
std::optional<DitWeights> Experts::loaded_behind(Expert which, const std::stop_token& stop) {
  const HostExpert::Load from_files = [&](const SettleBlock& settle) {
    return load_(which, /*together=*/nullptr, /*peer=*/nullptr, [&](std::size_t number, DitBlock& block) {
      if (stop.stop_requested()) throw LoadBehind::Stopped();
      settle(number, block);
    });
  };
  HostExpert* const host = place(which).host.get();
  if (!host) return from_files([](std::size_t, DitBlock&) {});
  if (residency_ == Residency::both) return host->load_for_all(from_files, stop);
  host->write_loaded(from_files, stop);
  return std::nullopt;
}

/// If the expert is being loaded behind the other one, waits for it and puts it where it belongs.
void Experts::take_loaded_behind(Expert which) {
  if (!behind_ || behind_->which() != which) return;
  std::optional<DitWeights> loaded = behind_->result();
  behind_.reset();
  if (!loaded) return;
  put(place(which), *std::move(loaded));
  keep(place(which), nullptr);
}

/// An expert whose blocks are streamed is loaded to host memory.
void Experts::load_to_host(Expert which, NodeReader* together) {
  Place& loading = place(which);
  WF_CHECK(loading.host);
  const auto from_files = [&](NodeReader* reader) {
    return [this, which, reader](const SettleBlock& settle) { return load_(which, reader, /*peer=*/nullptr, settle); };
  };
  if (together) loading.host->write_loaded_together(from_files(together));
  loading.host->write_loaded(from_files(nullptr));
}

/// The weights as they are used on the device. If they were loaded in a smaller form, that one goes to host memory now,
/// because it could not be made from the other again.
DitWeights Experts::in_form(DitWeights weights, Place& place) {
  if (form_ == WeightForm::fp8 || !has_fp8(weights)) return weights;
  if (residency_ == Residency::exchanged) write_copy(place, weights);
  return widened(std::move(weights), [](const at::Tensor& tensor) { return tensor; });
}

void Experts::keep_copy_in(Expert which, std::unique_ptr<HostExpert> host) {
  keep(place(which), std::move(host));
  place(which).is_given = true;
}

void Experts::prepare_copy(Expert which) {
  Place& prepared = place(which);
  if (prepared.device && !prepared.host && residency_ != Residency::both)
    keep(prepared, std::make_unique<HostExpert>(*prepared.device, device_));
}

std::shared_ptr<const DitWeights> Experts::lease(Expert which) const {
  if (streamed_ > 0) return nullptr;  // a peer would find a part of it
  const std::lock_guard lock(mutex_);
  return place(which).device;
}

std::shared_ptr<const DitWeights> Experts::as_loaded(Expert which) const {
  const std::lock_guard lock(mutex_);
  const Place& here = place(which);
  return here.has_copy() ? std::make_shared<const DitWeights>(here.host->written()) : here.device;
}

/// Makes `host` the expert's place in host memory.
void Experts::keep(Place& place, std::unique_ptr<HostExpert> host) {
  const std::lock_guard lock(mutex_);
  place.host = std::move(host);
}

void Experts::put(Place& place, DitWeights weights) {
  auto device = std::make_shared<const DitWeights>(std::move(weights));
  const std::lock_guard lock(mutex_);
  place.device = std::move(device);
}

/// Takes the expert out of its place, so that no new lease of it begins.
std::shared_ptr<const DitWeights> Experts::take(Place& place) {
  const std::lock_guard lock(mutex_);
  return std::exchange(place.device, nullptr);
}

void Experts::free_device() {
  if (residency_ == Residency::both) return;
  for (Place& each : places_) {
    copy_to_host(each);
    leave(each);
  }
}

void Experts::clear_device() {
  free_device();
  if (residency_ != Residency::both) return;
  behind_.reset();
  for (Place& each : places_) leave(each);
}

void Experts::copy_to_host(Place& place) {
  if (!place.device || place.has_copy()) return;
  const spdlog::stopwatch watch;
  if (write_copy(place, *place.device))
    spdlog::debug("an expert was copied to host memory in {:.2f} s", watch);
  else
    spdlog::debug("another rank has copied an expert to host memory; waited for it for {:.2f} s", watch);
}

/// Whether this rank has written the copy.
bool Experts::write_copy(Place& place, const DitWeights& weights) {
  if (!place.host) keep(place, std::make_unique<HostExpert>(weights, device_));
  return place.host->write(weights);
}

void Experts::leave(Place& leaving) {
  if (!leaving.device) return;
  wait_for_leases(take(leaving), patience_);
  release_cached_memory(device_);
}

void Experts::enter(Place& entering) {
  std::uint64_t bytes = 0;
  const spdlog::stopwatch watch;
  const auto upload = [&](const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    bytes += tensor.nbytes();
    return tensor.to(device_, /*non_blocking=*/true);
  };
  const DitWeights& copy = entering.host->weights();
  DitWeights weights = copy;
  const std::vector<bool> waiting = waiting_blocks(weights.blocks.size(), streamed_);
  for (std::size_t i = 0; i < waiting.size(); ++i)
    if (waiting[i]) weights.blocks[i] = {};
  weights = form_ == WeightForm::fp8 ? transformed(weights, upload) : widened(std::move(weights), upload);
  synchronize(device_);
  if (streamed_ > 0) begin_stream(weights, copy.blocks, waiting);
  put(entering, std::move(weights));
  const double seconds = std::chrono::duration<double>(watch.elapsed()).count();
  traffic_.bytes += bytes;
  traffic_.seconds += seconds;
  spdlog::debug("{} exchanged in {:.2f} s ({:.1f} GB/s)", gigabytes(bytes), seconds,
                static_cast<double>(bytes) / 1e9 / std::max(seconds, 1e-9));
}

}  // namespace wf
