// pipeline/model/vae.hpp: the Wan 2.1 VAE: latents to frames and back, a few frames at a time, so that memory does not
// grow with the clip's length.
//
// The network is causal in time: a frame depends on itself and on earlier ones. So a clip goes through it in chunks,
// and each layer keeps the last two frames it saw (FeatureCache). The first frame is a chunk of its own: time is not
// resampled there. After it one latent frame stands for 4 frames: t latent frames are 4 (t - 1) + 1 frames of 8h x 8w
// pixels. How long the chunks are is a question of memory and speed, not of the result (to rounding: at most 1e-6
// relative).
//
// After an exception a VaeDecoder or VaeEncoder cannot be continued: start the clip anew.
// Functions run under the caller's c10::InferenceMode. Tensors they return are f32 on the weights' device, with no
// promise about strides. Shapes that do not fit throw Error(internal), sizes of a video that do not fit Error(input).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <functional>

#include "pipeline/model/vae_weights.hpp"

namespace wf {

/// What the causal layers remember of earlier chunks: a slot for each, handed out in order of execution.
class FeatureCache {
 public:
  void begin_chunk() { ++chunks_, next_ = 0; }
  bool unused() const { return chunks_ == 0; }
  bool first_chunk() const { return chunks_ == 1; }
  /// Undefined the first time. The reference stays valid.
  at::Tensor& next_slot();

 private:
  std::deque<at::Tensor> slots_;
  std::size_t next_ = 0;
  std::int64_t chunks_ = 0;
};

/// One clip on its way from latents to frames. The weights must outlive it.
class VaeDecoder {
 public:
  explicit VaeDecoder(const VaeWeights& weights) : weights_(weights) {}
  /// The next latent frames [16, k, h, w] -> [3, 4k, 8h, 8w] in [-1, 1] but for overshoot: the caller clamps.
  /// The first call takes 1 latent frame and returns 1 frame.
  at::Tensor next(const at::Tensor& latents);

 private:
  const VaeWeights& weights_;
  FeatureCache cache_;
};

/// One clip on its way from frames to latents. The weights must outlive it.
class VaeEncoder {
 public:
  explicit VaeEncoder(const VaeWeights& weights) : weights_(weights) {}
  /// The next frames [3, 4k, 8h, 8w] in [-1, 1] -> [16, k, h, w], the mean of the distribution, unit variance per
  /// channel. The first call takes 1 frame and returns 1 latent frame.
  at::Tensor next(const at::Tensor& frames);

 private:
  const VaeWeights& weights_;
  FeatureCache cache_;
};

using FrameSink = std::function<void(const at::Tensor& frames)>;

/// Decodes latents [16, t, h, w], handing over [3, 1, 8h, 8w] and then [3, 4k, 8h, 8w] as they come; not clamped.
void vae_decode(const VaeWeights& weights, const at::Tensor& latents, const FrameSink& sink,
                std::int64_t latent_frames_per_chunk = 1);

/// Encodes a video [3, 4k+1, 8h, 8w] in [-1, 1] -> [16, k+1, h, w].
at::Tensor vae_encode(const VaeWeights& weights, const at::Tensor& video);

/// What decoding needs at this frame size: weights, caches, and the widest layer's tensors (counted layer by layer in
/// vae_memory.cpp). The clip's length does not come in. library_copies: the convolution library brings input and output
/// into another order and back, as cuDNN does in f32 without TF32; other workspace of it is not counted (on a CPU in
/// f32, LibTorch unfolds small inputs to 27 times their size).
std::uint64_t vae_decode_bytes_needed(const VaeWeights& weights, std::int64_t height, std::int64_t width,
                                      std::int64_t latent_frames_per_chunk = 1, bool library_copies = false);

}  // namespace wf
