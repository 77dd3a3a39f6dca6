#include "pipeline/stages/preview.hpp"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "base/check.hpp"

namespace wf {

Latents predicted_clip(const Denoising& state) {
  const c10::InferenceMode no_autograd;
  return latents({state.solver.m1.defined() ? state.solver.m1 : state.x, {}, state.step});
}

Frames half_size(const Frames& frames) {
  const c10::InferenceMode no_autograd;
  const at::Tensor& rgb = frames.rgb;  // [frames, height, width, 3]
  WF_CHECK(rgb.dim() == 4 && rgb.size(1) % 2 == 0 && rgb.size(2) % 2 == 0);
  const at::Tensor squares = rgb.view({rgb.size(0), rgb.size(1) / 2, 2, rgb.size(2) / 2, 2, 3});
  return {squares.to(at::kFloat).mean({2, 4}).round_().to(at::kByte)};
}

}  // namespace wf
