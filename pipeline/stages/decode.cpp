#include "pipeline/stages/decode.hpp"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace wf {
namespace {

Error not_finite() {
  return Error(Error::permanent,
               "the VAE made NaN or infinity: its weights are damaged, or the latents are out of range");
}

/// From [-1, 1] to 0..255, in the official order of operations, which decides the rounding.
at::Tensor to_bytes(const at::Tensor& video) { return video.clamp(-1, 1).add_(1).div_(2).mul_(255).to(at::kByte); }

/// Tensors of one device on their way to host memory, behind what is queued there. Nobody waits for them before
/// arrived().
class Underway {
 public:
  explicit Underway(std::vector<at::Tensor> tensors) : tensors_(std::move(tensors)) {
    const at::Device device = tensors_.front().device();
    if (device.is_cpu()) return;
    for (at::Tensor& tensor : tensors_) tensor = to_pinned(tensor);
    arrived_.emplace(device.type());
    arrived_->record(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
  }
  const at::Tensor& arrived(std::size_t i) const {
    if (arrived_) arrived_->synchronize();
    return tensors_[i];
  }

 private:
  static at::Tensor to_pinned(const at::Tensor& x) {
    const at::Tensor there = at::empty(x.sizes(), x.options().device(at::kCPU).pinned_memory(true));
    return there.copy_(x, /*non_blocking=*/true);
  }

  std::vector<at::Tensor> tensors_;
  std::optional<c10::Event> arrived_;
};

/// Frames that one rank decodes, converted behind what is queued on the device.
class FramesUnderway {
 public:
  explicit FramesUnderway(const at::Tensor& video)
      : underway_({to_bytes(video).permute({1, 2, 3, 0}).contiguous(), at::isfinite(video).all()}) {}
  Frames take() const {
    if (!underway_.arrived(1).item<bool>()) throw not_finite();
    return {underway_.arrived(0)};
  }

 private:
  Underway underway_;
};

/// Unwinds the decoder of a rank once all ranks know of an error.
struct Left {};

/// Frames that ranks decode together, some rows each. What a rank has to say of an error travels with the frames that
/// come next, so that no rank waits for the others' answer before it goes on.
class SharedDecoding {
 public:
  SharedDecoding(const RowSplit& rows, const TakeFrames& sink, Communicator& ranks)
      : rows_(rows), sink_(sink), ranks_(ranks) {}

  /// Takes a rank's rows of the next frames, and passes on those before them. Collective.
  void take(const at::Tensor& video) {
    at::Tensor whole = rows_.gather_on_first(to_bytes(video).permute({2, 1, 3, 0}).contiguous());
    std::vector<at::Tensor> tensors{flags(state(video))};
    if (is_first()) tensors.push_back(whole.transpose(0, 1).contiguous());
    Underway newest(std::move(tensors));
    pass_on();
    before_.emplace(std::move(newest));
  }
  /// Passes on the last frames. Collective.
  void finish(at::Device device) {
    pass_on();
    leave_if_any(flags(at::full({1}, own_ ? failed : fine, at::TensorOptions(at::kByte).device(device))).cpu());
  }
  std::exception_ptr error() const { return own_; }

 private:
  static constexpr int fine = 0, failed = 1, infinite = 2;

  bool is_first() const { return ranks_.rank() == 0; }
  /// What this rank says with these frames.
  at::Tensor state(const at::Tensor& video) const {
    const at::TensorOptions bytes = at::TensorOptions(at::kByte).device(video.device());
    if (own_) return at::full({1}, failed, bytes);
    return at::isfinite(video).all().logical_not().view({1}).to(bytes).mul_(infinite);
  }
  /// Of all ranks.
  at::Tensor flags(const at::Tensor& own) const {
    return ranks_.all_gather(own, Counts(static_cast<std::size_t>(ranks_.size()), 1));
  }

  void pass_on() {
    if (!before_) return;
    leave_if_any(before_->arrived(0));
    if (is_first() && !own_) give_to_sink({before_->arrived(1)});
    before_.reset();
  }
  void give_to_sink(const Frames& frames) {
    try {
      sink_(frames);
    } catch (const std::exception&) {
      own_ = std::current_exception();
    }
  }
  void leave_if_any(const at::Tensor& flags) {
    if (!flags.any().item<bool>()) return;
    const bool is_own = flags[ranks_.rank()].item<int>() == infinite;
    if (!own_)
      own_ = std::make_exception_ptr(is_own ? not_finite()
                                            : Error(Error::permanent, "another rank could not decode its rows"));
    throw Left();
  }

  const RowSplit& rows_;
  const TakeFrames& sink_;
  Communicator& ranks_;
  std::optional<Underway> before_;
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
  SharedDecoding decoding(rows, sink, ranks);
  try {
    at::Device device = at::kCPU;
    const auto take = [&](const at::Tensor& video) {
      device = video.device();
      decoding.take(video);
    };
    vae_decode(weights, latents.x, take, /*latent_frames_per_chunk=*/1, rows);
    decoding.finish(device);
  } catch (const Left&) {
    return decoding.error();
  }
  return nullptr;
}

}  // namespace wf
