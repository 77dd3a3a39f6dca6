// pipeline/types.hpp: what passes between the stages of one clip. t = (frames-1)/4 + 1, h = height/8, w = width/8.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace wf {

struct Embeddings {
  at::Tensor text;
};  ///< [n <= text_len, text_dim], f32 in reference, bf16 in exact; padded only in the DiT
struct Latents {
  at::Tensor x;
};  ///< [16, t, h, w] f32, unit variance per channel
struct Frames {
  at::Tensor rgb;
};  ///< [frames, height, width, 3] u8, sRGB

/// How numbers are kept. reference: f32 everywhere. exact: bf16 GEMMs and attention, f32 residual stream and solver:
/// the official arithmetic on a GPU.
enum class Precision { reference, exact };

/// The conditional and the unconditional forward: two of batch 1 (as the official code), or one of batch 2. automatic:
/// batched where ranks of GPUs cut the sequence, so that each still has enough rows to keep its GPU busy; else two.
enum class GuidanceMode { automatic, two, batched };
constexpr const char* to_string(GuidanceMode mode) {
  constexpr const char* names[] = {"auto", "two", "batched"};
  return names[static_cast<int>(mode)];
}

/// Whose generator draws the first noise. cpu: the same clip on every machine. device: the official code's draw on a
/// GPU, which depends on its number of multiprocessors.
enum class NoiseSource { cpu, device };

}  // namespace wf
