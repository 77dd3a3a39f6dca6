#include "pipeline/stages/decode.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"

namespace wf {

Frames to_frames(const at::Tensor& video) {
  if (!at::isfinite(video).all().item<bool>())
    throw Error(Error::permanent,
                "the VAE made NaN or infinity: its weights are damaged, or the latents are out of range");
  const at::Tensor unit =
      video.clamp(-1, 1).add_(1).div_(2);  // in the official order of operations, which decides the rounding
  return {unit.mul_(255).to(at::kByte).permute({1, 2, 3, 0}).contiguous().cpu()};
}

void decode(const Latents& latents, const VaeWeights& weights, const TakeFrames& sink) {
  vae_decode(weights, latents.x, [&](const at::Tensor& video) { sink(to_frames(video)); });
}

}  // namespace wf
