#include "pipeline/stages/decode.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "base/error.hpp"

namespace wf {
namespace {

void expect_finite(const at::Tensor& video) {
  if (at::isfinite(video).all().item<bool>()) return;
  throw Error(Error::permanent,
              "the VAE made NaN or infinity: its weights are damaged, or the latents are out of range");
}

/// From [-1, 1] to 0..255, in the official order of operations, which decides the rounding.
at::Tensor to_bytes(const at::Tensor& video) { return video.clamp(-1, 1).add_(1).div_(2).mul_(255).to(at::kByte); }

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

Frames to_frames(const at::Tensor& video) {
  expect_finite(video);
  return {to_bytes(video).permute({1, 2, 3, 0}).contiguous().cpu()};
}

void decode(const Latents& latents, const VaeWeights& weights, const TakeFrames& sink) {
  vae_decode(weights, latents.x, [&](const at::Tensor& video) { sink(to_frames(video)); });
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
