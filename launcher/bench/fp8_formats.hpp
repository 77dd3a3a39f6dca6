// launcher/bench/fp8_formats.hpp: one expert in the number formats whose results `bench fp8` compares.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

#include "launcher/bench/bench.hpp"
#include "pipeline/model/dit.hpp"
#include "pipeline/stages/denoise.hpp"

namespace wf {

/// An expert in one format, with what its forwards take besides the latents.
struct Format {
  DitWeights weights;
  TextContext text;
  at::Tensor rope;
  SelfAttention attention;

  /// The velocity of batch 1: x [16, t, h, w] f32, and so is the result.
  at::Tensor forward(const at::Tensor& x, double timestep) const;
  /// What one block makes of the stream [1, L, d] f32 before it, which is left as it is.
  at::Tensor block(std::size_t index, const at::Tensor& stream, const TimeEmbedding& time) const;
};

/// Makes the formats of one expert for the clip of a benchmark. Loading throws what load_dit() and choose_attention()
/// throw.
class Formats {
 public:
  Formats(const Bench& bench, Expert which);

  /// The expert as it is loaded for a precision.
  Format load(Precision precision) const;
  /// The bf16 expert that the models have anyway: valid as long as theirs is.
  Format exact() const;

 private:
  Format with_inputs(const DitWeights& weights, Precision precision) const;

  const Bench& bench_;
  Expert which_;
  at::Tensor prompt_;  ///< on the device
};

/// The layers of a block that may be multiplied in 8 bits.
struct NamedLayer {
  const char* name;
  Linear DitBlock::*layer;
};
inline constexpr std::array fp8_layers{NamedLayer{"self-attention q, k, v", &DitBlock::qkv},
                                       NamedLayer{"self-attention out", &DitBlock::out},
                                       NamedLayer{"cross-attention q", &DitBlock::cross_q},
                                       NamedLayer{"cross-attention out", &DitBlock::cross_out},
                                       NamedLayer{"FFN up", &DitBlock::ffn_up},
                                       NamedLayer{"FFN down", &DitBlock::ffn_down}};

/// `exact` with the chosen layers of all blocks out of `fp8`. Formats share their tensors.
Format with_layers(Format exact, const Format& fp8, const std::vector<Linear DitBlock::*>& chosen);

/// `fp8` with these blocks out of `exact`: as an expert with exact blocks is loaded.
Format with_exact_blocks(Format fp8, const Format& exact, const BlockNumbers& blocks);

}  // namespace wf
