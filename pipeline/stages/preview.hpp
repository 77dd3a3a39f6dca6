// pipeline/stages/preview.hpp: a look at a clip whose denoising has only begun.
#pragma once

#include "pipeline/stages/denoise.hpp"

namespace wf {

/// What the last step predicted the clean clip to be. Before the first step there is only noise to show, and after the
/// last one the prediction is the clip itself. Throws permanent when a latent is NaN or infinite.
Latents predicted_clip(const Denoising& state);

/// Frames of half the width and height, which have to be even: each value is the rounded mean of 2x2. (The latents
/// could be averaged as well, for a quarter of the decoding work, but what fills few of their 8x8 pixels would then not
/// be recognised.)
Frames half_size(const Frames& frames);

}  // namespace wf
