// pipeline/decode.hpp: latents become frames, which are handed on as they come.
#pragma once

#include <functional>

#include "pipeline/model/vae.hpp"
#include "pipeline/types.hpp"

namespace wf {

/// Takes k frames, in order.
using TakeFrames = std::function<void(const Frames& frames)>;

/// One latent frame at a time (1 frame for the first, 4 for each other), so memory does not grow with the clip's
/// length.
/// [-1, 1] becomes 0..255 by truncation, as the official writer does it. Throws when x is not [16, t, h, w].
void decode(const Latents& latents, const VaeWeights& weights, const TakeFrames& sink);

/// x in [-1, 1] (values beyond are clamped), [3, k, height, width] f32 -> [k, height, width, 3] u8 on the CPU.
/// Throws permanent when a value is not finite.
Frames to_frames(const at::Tensor& video);

}  // namespace wf
