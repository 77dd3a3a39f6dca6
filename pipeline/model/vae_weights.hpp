// pipeline/model/vae_weights.hpp: the weights of the Wan 2.1 VAE as a list of layers, read off the checkpoint's names.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <variant>
#include <vector>

#include "pipeline/weights/checkpoint.hpp"

namespace wf {

/// The layers of the VAE, C channels in, O out. Convolution weights lie in channels-last order in memory: the features
/// then do too (frames, rows, columns, channels), which is what the convolution libraries are fastest at.
namespace vae {

struct Conv {
  at::Tensor weight;  ///< [O, C, kt, kh, kw]; [O, C, kh, kw] where it acts on single frames
  at::Tensor bias;    ///< [O]
};

/// x + conv2(act(norm2(conv1(act(norm1(x)))))).
struct Residual {
  at::Tensor norm1;  ///< [1, C, 1, 1, 1], sqrt(C) already multiplied in, as in all norms here
  Conv conv1;
  at::Tensor norm2;
  Conv conv2;
  Conv shortcut;  ///< 1x1x1; undefined where C = O
};

/// Attention of all positions of one frame, one head.
struct Attention {
  at::Tensor norm;  ///< [1, C, 1, 1, 1]
  Conv qkv, proj;   ///< linear: [3C, C] and [C, C]
};

/// Twice the rows and columns; twice the frames, too, where `time` is defined.
struct Upsample {
  Conv space;  ///< [O, C, 3, 3]
  Conv time;   ///< [2C, C, 3, 1, 1]: first halves of the channels are the even frames
};

/// Half the rows and columns; half the frames, too, where `time` is defined.
struct Downsample {
  Conv space;  ///< [C, C, 3, 3], stride 2
  Conv time;   ///< [C, C, 3, 1, 1], stride 2
};

using Layer = std::variant<Residual, Attention, Upsample, Downsample>;

/// Encoder or decoder: both are a convolution, layers, and a normalised convolution.
struct Coder {
  Conv first;
  std::vector<Layer> layers;
  at::Tensor last_norm;
  Conv last;
};

std::int64_t space_factor(const Coder& coder);  ///< pixels a latent row or column stands for: 8
std::int64_t time_factor(const Coder& coder);   ///< frames a latent frame stands for, but the first: 4

}  // namespace vae

/// Latents have 16 channels: the constants of their distribution (vae.cpp) are known for no other number.
struct VaeWeights {
  static constexpr std::int64_t kLatentChannels = 16;
  vae::Coder encoder;
  vae::Conv encoder_out;  ///< 1x1x1, 32 -> 32: mean and log-variance
  vae::Conv decoder_in;   ///< 1x1x1, 16 -> 16
  vae::Coder decoder;
};

/// Widths, depths and where time is resampled come from the tensors' names and shapes. f32 or bf16; on the device
/// `meta` shapes only. Throws environment naming file and tensor: missing, of another shape, or not part of this VAE.
VaeWeights load_vae(const Checkpoint& checkpoint, at::ScalarType dtype, at::Device device);

}  // namespace wf
