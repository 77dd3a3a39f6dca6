// pipeline/model/vae_weights.hpp: the weights of the Wan 2.1 VAE as two lists of layers, decoder and encoder, whose
// widths and depths are read off the checkpoint's tensor names and shapes. Rendering decodes only, so the encoder is
// loaded apart, by tests and by training.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <variant>
#include <vector>

#include "pipeline/kernels/convolve.hpp"
#include "pipeline/weights/network_weights.hpp"

namespace wf {

/// The layers of the VAE, with C input and O output channels. Convolution weights lie in channels-last order in memory,
/// so the features do too (frames, rows, columns, channels): the convolution libraries are fastest in that order.
namespace vae {

using Conv = ConvolutionWeights;

/// x + conv2(act(norm2(conv1(act(norm1(x)))))).
struct Residual {
  at::Tensor norm1;  ///< [1, C, 1, 1, 1]; every norm weight here already holds the factor sqrt(C)
  Conv conv1;
  at::Tensor norm2;
  Conv conv2;
  Conv shortcut;  ///< 1x1x1, C -> O; undefined where C = O
};

/// Single-head attention over all positions of one frame.
struct Attention {
  at::Tensor norm;  ///< [1, C, 1, 1, 1]
  Conv qkv, proj;   ///< matrices [3C, C] and [C, C]
};

/// Doubles rows and columns, and also the frames where `time` is defined.
struct Upsample {
  Conv space;  ///< [O, C, 3, 3]
  Conv time;   ///< [2C, C, 3, 1, 1]: the first C output channels are the even frames, the others the odd ones
};

/// Halves rows and columns, and also the frames where `time` is defined. In the encoder alone.
struct Downsample {
  Conv space;  ///< [C, C, 3, 3], stride 2
  Conv time;   ///< [C, C, 3, 1, 1], stride 2
};

using Layer = std::variant<Residual, Attention, Upsample, Downsample>;

/// An encoder or a decoder: a convolution, layers, then norm, SiLU and a convolution.
struct Coder {
  Conv first;
  std::vector<Layer> layers;
  at::Tensor last_norm;
  Conv last;
};

std::int64_t space_factor(const Coder& coder);  ///< pixel rows (or columns) per latent row (or column): 8
std::int64_t time_factor(const Coder& coder);   ///< frames per latent frame, except for the clip's first one: 4

}  // namespace vae

/// What decoding needs: latents to frames.
struct VaeWeights {
  /// The constants of the latents' distribution (vae.cpp) are known for 16 channels and for no other number.
  static constexpr std::int64_t kLatentChannels = 16;
  vae::Conv decoder_in;  ///< 1x1x1, 16 -> 16
  vae::Coder decoder;
};

/// What encoding needs: frames to latents.
struct VaeEncoderWeights {
  vae::Coder encoder;
  vae::Conv encoder_out;  ///< 1x1x1, 32 -> 32: mean and log-variance
};

/// Loads the decoder as f32 or bf16, for convolving_on() the device; on the device `meta` it has shapes but no data. Of
/// the encoder no data is read, but its names and shapes are checked too, so that a broken checkpoint is refused
/// whichever half is asked for. Throws environment naming file and tensor where one is missing, has another shape, or
/// is no part of this VAE.
VaeWeights load_vae(const NetworkWeights& files, at::ScalarType dtype, at::Device device, bool tf32 = false);

/// Loads the encoder, with the checks and errors of load_vae().
VaeEncoderWeights load_vae_encoder(const NetworkWeights& files, at::ScalarType dtype, at::Device device,
                                   bool tf32 = false);

}  // namespace wf
