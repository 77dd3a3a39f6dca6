// pipeline/model/vae.hpp: the Wan 2.1 VAE: latents to frames and back, a few frames at a time, so that memory does not
// grow with the clip's length.
//
// The network is causal in time: a frame depends on itself and on earlier frames only. So a clip passes through it in
// chunks, and each layer keeps the last two frames that it saw (FeatureCache). The first frame is a chunk of its own:
// time is not resampled there. After it one latent frame stands for 4 frames, so that t latent frames of h x w become
// 4 (t - 1) + 1 frames of 8h x 8w pixels. The length of the chunks decides memory and speed, and changes the result by
// rounding alone (at most 1e-6 relative).
//
// Several ranks can share a clip: each has some rows of every frame (RowSplit). All of them then make the same calls,
// with the same latents or video, and get their own rows of the result.
//
// After an exception a VaeDecoder or VaeEncoder cannot be continued: start the clip again with a new one.
// All functions run under the caller's c10::InferenceMode and return f32 tensors on the weights' device, with no
// promise about strides. Shapes that do not fit throw Error(internal); a video whose size does not fit throws
// Error(input). Source: the causal 3-D VAE of Wan 2.1 (wan/modules/vae2_1.py).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <utility>

#include "pipeline/kernels/convolve.hpp"
#include "pipeline/model/row_split.hpp"
#include "pipeline/model/vae_weights.hpp"

namespace wf {

/// What the causal layers remember of earlier chunks: one slot per layer, handed out in the order of execution.
class FeatureCache {
 public:
  void begin_chunk() { ++chunks_, next_ = 0; }
  bool unused() const { return chunks_ == 0; }
  bool first_chunk() const { return chunks_ == 1; }
  /// The slot of the layer that runs now. It is undefined in the first chunk; the reference stays valid.
  at::Tensor& next_slot();

 private:
  std::deque<at::Tensor> slots_;
  std::size_t next_ = 0;
  std::int64_t chunks_ = 0;
};

/// Decodes one clip, chunk by chunk. The weights must outlive the decoder.
class VaeDecoder {
 public:
  explicit VaeDecoder(const VaeWeights& weights, RowSplit rows = {}) : weights_(weights), rows_(std::move(rows)) {}
  /// Decodes the next latent frames [16, k, h, w], unit variance per channel, to [3, 4k, 8h, 8w] in about [-1, 1]: the
  /// network overshoots a little, and the caller clamps. The first call takes 1 latent frame and returns 1 frame.
  at::Tensor next(const at::Tensor& latents);

 private:
  const VaeWeights& weights_;
  RowSplit rows_;
  FeatureCache cache_;
};

/// Encodes one clip, chunk by chunk. The weights must outlive the encoder.
class VaeEncoder {
 public:
  explicit VaeEncoder(const VaeEncoderWeights& weights, RowSplit rows = {})
      : weights_(weights), rows_(std::move(rows)) {}
  /// Encodes the next frames [3, 4k, 8h, 8w] in [-1, 1] to latents [16, k, h, w]: the mean of the distribution, unit
  /// variance per channel. The first call takes 1 frame and returns 1 latent frame.
  at::Tensor next(const at::Tensor& frames);

 private:
  const VaeEncoderWeights& weights_;
  RowSplit rows_;
  FeatureCache cache_;
};

/// Takes decoded frames [3, k, 8h, 8w] f32, of this rank's rows, in the order of the clip.
using FrameSink = std::function<void(const at::Tensor& frames)>;

/// Decodes latents [16, t, h, w] and hands the frames to `sink` as they come: first [3, 1, 8h, 8w], then chunks of
/// [3, 4k, 8h, 8w], where k is at most latent_frames_per_chunk. The values are not clamped.
void vae_decode(const VaeWeights& weights, const at::Tensor& latents, const FrameSink& sink,
                std::int64_t latent_frames_per_chunk = 1, const RowSplit& rows = {});

/// Encodes a video [3, 4k+1, 8h, 8w] in [-1, 1] to latents [16, k+1, h, w], of this rank's rows.
at::Tensor vae_encode(const VaeEncoderWeights& weights, const at::Tensor& video, const RowSplit& rows = {});

/// Bytes that decoding needs for frames of height x width pixels: the decoder's weights, the caches, and the tensors of
/// the widest layer (vae_memory.cpp counts layer by layer). With height and width 0: the weights alone. The clip's
/// length does not matter. The weights may be on the device meta. how: convolving_on() the device that decoding will
/// use. ranks: so many divide the rows; the bytes are those of the one with most. Other workspace of the convolution
/// library is not counted (on a CPU without AVX2, oneDNN unfolds the input to 27 times its size).
std::uint64_t vae_decode_bytes_needed(const VaeWeights& weights, std::int64_t height, std::int64_t width,
                                      std::int64_t latent_frames_per_chunk = 1, Convolving how = Convolving::library,
                                      int ranks = 1);

}  // namespace wf
