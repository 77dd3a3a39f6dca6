#include "pipeline/stages/decode.hpp"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/error.hpp"

namespace wf {
namespace {

void expect(bool finite) {
  if (finite) return;
  throw Error(Error::permanent,
              "the VAE made NaN or infinity: its weights are damaged, or the latents are out of range");
}
void expect_finite(const at::Tensor& video) { expect(at::isfinite(video).all().item<bool>()); }

/// From [-1, 1] to 0..255, in the official order of operations, which decides the rounding.
at::Tensor to_bytes(const at::Tensor& video) { return video.clamp(-1, 1).add_(1).div_(2).mul_(255).to(at::kByte); }

/// Frames on their way to host memory. They are converted and copied behind what is queued on the device, and nobody
/// waits for them before take().
class FramesUnderway {
 public:
  explicit FramesUnderway(const at::Tensor& video)
      : rgb_(to_host(to_bytes(video).permute({1, 2, 3, 0}).contiguous())), finite_(to_host(at::isfinite(video).all())) {
    if (video.is_cpu()) return;
    arrived_.emplace(video.device().type());
    arrived_->record(c10::impl::VirtualGuardImpl(video.device().type()).getStream(video.device()));
  }
  Frames take() const {
    if (arrived_) arrived_->synchronize();
    expect(finite_.item<bool>());
    return {rgb_};
  }

 private:
  static at::Tensor to_host(const at::Tensor& x) {
    if (x.is_cpu()) return x;
    const at::Tensor there = at::empty(x.sizes(), x.options().device(at::kCPU).pinned_memory(true));
    return there.copy_(x, /*non_blocking=*/true);
  }

  at::Tensor rgb_, finite_;
  std::optional<c10::Event> arrived_;
};

/// Unwinds the decoder of a rank once all ranks know of an error.
struct Left {};

/// The clip's errors on the ranks that decode it together.
class SharedFailure {
 public:
  explicit SharedFailure(Communicator& ranks) : ranks_(ranks) {}
  /// Runs the action; keeps what it throws.
  template <class Action>
  void attempt(Action&& action) {
    if (own_) return;
    try {
      action();
    } catch (const std::exception&) {
      own_ = std::current_exception();
    }
  }
  /// Collective. Throws Left on all ranks if there was an error on one of them.
  void leave_if_any(at::Device device) {
    const at::Tensor failed = at::full({1}, own_ ? 1 : 0, at::TensorOptions(at::kByte).device(device));
    const Counts one_each(static_cast<std::size_t>(ranks_.size()), 1);
    if (!ranks_.all_gather(failed, one_each).any().item<bool>()) return;
    if (!own_) own_ = std::make_exception_ptr(Error(Error::permanent, "another rank could not decode its rows"));
    throw Left();
  }
  std::exception_ptr own() const { return own_; }

 private:
  Communicator& ranks_;
  std::exception_ptr own_;
};

}  // namespace

Frames to_frames(const at::Tensor& video) { return FramesUnderway(video).take(); }

void decode(const Latents& latents, const VaeWeights& weights, const TakeFrames& sink) {
  std::optional<FramesUnderway> before;
  const auto pass_on = [&] {
    if (before) sink(before->take());
    before.reset();
  };
  vae_decode(weights, latents.x, [&](const at::Tensor& video) {
    FramesUnderway newest(video);
    pass_on();
    before.emplace(std::move(newest));
  });
  pass_on();
}

std::exception_ptr decode_together(const Latents& latents, const VaeWeights& weights, const TakeFrames& sink,
                                   Communicator& ranks) {
  const RowSplit rows(ranks, latents.x.size(2));
  SharedFailure failure(ranks);
  const auto pass_on = [&](const at::Tensor& video) {
    failure.attempt([&] { expect_finite(video); });
    const at::Tensor whole = rows.gather_on_first(to_bytes(video).permute({2, 1, 3, 0}).contiguous());
    if (ranks.rank() == 0) failure.attempt([&] { sink({whole.transpose(0, 1).contiguous().cpu()}); });
    failure.leave_if_any(video.device());
  };
  try {
    vae_decode(weights, latents.x, pass_on, /*latent_frames_per_chunk=*/1, rows);
  } catch (const Left&) {
    return failure.own();
  }
  return nullptr;
}

}  // namespace wf
