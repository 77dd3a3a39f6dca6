// pipeline/types.hpp: what passes between the stages of one clip, with t = (frames - 1) / 4 + 1 latent frames of
// h = height / 8 by w = width / 8, and the choices of arithmetic that every stage knows.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace wf {

/// One text as the text encoder's output, without padding rows: the DiT pads where it needs to.
struct Embeddings {
  at::Tensor text;  ///< [n <= text_len, text_dim], f32 in `reference`, bf16 in `exact`
};

/// A denoised clip before the VAE's decoder.
struct Latents {
  at::Tensor x;  ///< [16, t, h, w] f32, unit variance per channel
};

/// Pictures as they go into a video file.
struct Frames {
  at::Tensor rgb;  ///< [frames, height, width, 3] u8 sRGB, on the CPU
};

/// Number formats of a run. reference: f32 everywhere. exact: bf16 GEMMs and attention, f32 residual stream and solver,
/// which is the official code's arithmetic on a GPU. The others are exact but for products of 8-bit numbers in the
/// experts' blocks: fp8_ffn in the feed-forward networks; fp8_linear in all linear layers but the keys and values of
/// the text; fp8 in these and in self-attention.
enum class Precision { reference, exact, fp8_ffn, fp8_linear, fp8 };
constexpr const char* to_string(Precision precision) {
  constexpr const char* names[] = {"reference", "exact", "fp8-ffn", "fp8-linear", "fp8"};
  return names[static_cast<int>(precision)];
}
/// Bytes of an element of activations and of weights that are not in 8 bits.
constexpr std::int64_t number_bytes(Precision precision) { return precision == Precision::reference ? 4 : 2; }
/// Their dtype, which is that of matrix products and attention as well, where these are not of 8-bit numbers.
constexpr at::ScalarType number_type(Precision precision) {
  return precision == Precision::reference ? at::kFloat : at::kBFloat16;
}
/// Whether some products are of 8-bit numbers.
constexpr bool multiplies_in_fp8(Precision precision) { return precision >= Precision::fp8_ffn; }

/// How the large matrices of an expert, the linear layers of its blocks, are kept. as_computed: in the dtype of the
/// products. as_stored: those that their file has in 8 bits stay so. fp8: all in 8 bits with a scale for each row;
/// those that their file has in more, or that a LoRA changed, are rounded to it.
enum class WeightForm { as_computed, as_stored, fp8 };
constexpr const char* to_string(WeightForm form) {
  constexpr const char* names[] = {"auto", "as stored", "fp8"};
  return names[static_cast<int>(form)];
}

/// How the two guidance branches of a step, conditional and unconditional, are computed. two: two forwards of batch 1,
/// as in the official code. batched: one forward of batch 2. automatic: batched where GPU ranks share the sequence,
/// so that each still has enough rows to keep its GPU busy, and two everywhere else.
enum class GuidanceMode { automatic, two, batched };
constexpr const char* to_string(GuidanceMode mode) {
  constexpr const char* names[] = {"auto", "two", "batched"};
  return names[static_cast<int>(mode)];
}

/// The random number generator that draws the initial noise. cpu: a seed gives the same clip on every machine. device:
/// a seed gives the official code's noise on this GPU, which depends on its number of multiprocessors.
enum class NoiseSource { cpu, device };

}  // namespace wf
