// pipeline/stages/decode.hpp: latents become frames, which are passed on as they are decoded.
#pragma once

#include <functional>

#include "pipeline/model/vae.hpp"
#include "pipeline/types.hpp"

namespace wf {

/// Receives the next frames of the clip, in order.
using TakeFrames = std::function<void(const Frames& frames)>;

/// Decodes one latent frame at a time (the first makes 1 frame, each later one 4), so that memory does not grow with
/// the clip's length. Throws internal when x is not [16, t, h, w], and what to_frames() and `sink` throw.
void decode(const Latents& latents, const VaeWeights& weights, const TakeFrames& sink);

/// Converts [3, k, height, width] f32 in [-1, 1] to [k, height, width, 3] u8 on the CPU. Values outside are clamped;
/// 0..255 is reached by truncation, not rounding, as in the official writer. Throws permanent when a value is NaN or
/// infinite.
Frames to_frames(const at::Tensor& video);

}  // namespace wf
