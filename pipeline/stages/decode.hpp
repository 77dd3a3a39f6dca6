// pipeline/stages/decode.hpp: latents become frames, which are passed on as they are decoded.
#pragma once

#include <exception>
#include <functional>

#include "pipeline/model/vae.hpp"
#include "pipeline/types.hpp"

namespace wf {

/// Receives the next frames of the clip, in order.
using TakeFrames = std::function<void(const Frames& frames)>;

/// Decodes one latent frame at a time (the first makes 1 frame, each later one 4), so that memory does not grow with
/// the clip's length. Frames reach `sink` while a GPU computes the next ones. Throws internal when x is not [16, t, h,
/// w], and what to_frames() and `sink` throw.
void decode(const Latents& latents, const VaeWeights& weights, const TakeFrames& sink);

/// The same by several ranks, each of which decodes some rows of every frame: at most as many ranks as x has rows. All
/// pass the same latents; the first one's `sink` gets the frames, and the others' is not called. Collective.
///
/// What decode() would throw is returned, on every rank, so that all leave together and go on with another clip: on the
/// first rank that very error, on the others any. Null: the clip is decoded. Throws what Communicator throws.
std::exception_ptr decode_together(const Latents& latents, const VaeWeights& weights, const TakeFrames& sink,
                                   Communicator& ranks);

/// Converts [3, k, height, width] f32 in [-1, 1] to [k, height, width, 3] u8 on the CPU. Values outside are clamped;
/// 0..255 is reached by truncation, not rounding, as in the official writer. Throws permanent when a value is NaN or
/// infinite.
Frames to_frames(const at::Tensor& video);

}  // namespace wf
