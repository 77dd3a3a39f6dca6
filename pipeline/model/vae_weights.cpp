// pipeline/model/vae_weights.cpp: reads the VAE's layers by the tensor names of Wan2.1_VAE.pth.
#include "pipeline/model/vae_weights.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.hpp"
#include "pipeline/model/weight_reader.hpp"

namespace wf {
namespace vae {
namespace {

constexpr std::int64_t kRgb = 3;

enum class Direction { up, down };

/// Reads layers in the order of execution; each layer's input width is the output width of the layer before it.
class LayerReader {
 public:
  LayerReader(WeightReader& reader, Direction direction, Convolving how, std::int64_t channels)
      : reader_(reader), direction_(direction), how_(how), channels_(channels) {}

  /// One convolution with stride 1. `out` 0 takes the number of output channels from the checkpoint. A kernel of two
  /// sizes acts on single frames, one of three on clips.
  Conv conv(const std::string& name, std::int64_t out, at::IntArrayRef kernel) {
    const Conv read = strided(name, out, kernel);
    return weights_for(how_, read.weight, read.bias);
  }
  /// One with another stride, which the library computes.
  Conv strided(const std::string& name, std::int64_t out, at::IntArrayRef kernel) {
    if (out == 0) out = reader_.size(name + ".weight", 0);
    std::vector<std::int64_t> shape{out, channels_};
    shape.insert(shape.end(), kernel.begin(), kernel.end());
    const auto format = kernel.size() == 3 ? at::MemoryFormat::ChannelsLast3d : at::MemoryFormat::ChannelsLast;
    const at::Tensor weight = reader_.take(name + ".weight", shape).contiguous(format);
    channels_ = out;
    return {weight, reader_.take(name + ".bias", {out})};
  }

  at::Tensor norm(const std::string& name, int dimensions) {
    std::vector<std::int64_t> shape(static_cast<std::size_t>(dimensions), 1);
    shape.front() = channels_;
    const at::Tensor gamma = reader_.take(name + ".gamma", shape).view({1, channels_, 1, 1, 1});
    return gamma * std::sqrt(static_cast<double>(channels_));
  }

  /// Appends the layers "<list>.0", "<list>.1", ... to `layers`.
  void append(std::vector<Layer>& layers, const std::string& list) {
    const std::int64_t count = reader_.count(list);
    for (std::int64_t i = 0; i < count; ++i) layers.push_back(layer(list + "." + std::to_string(i)));
  }

  std::int64_t channels() const { return channels_; }

 private:
  Layer layer(const std::string& name) {
    if (reader_.any_left(name + ".residual.")) return residual(name);
    if (reader_.any_left(name + ".to_qkv.")) return attention(name);
    if (reader_.any_left(name + ".resample.")) return resample(name);
    throw Error(Error::environment,
                reader_.where() + ": tensors " + name + ".*: neither residual block, attention nor resampling");
  }

  Residual residual(const std::string& name) {
    const std::int64_t in = channels_;
    Residual block;
    block.norm1 = norm(name + ".residual.0", 4);
    block.conv1 = conv(name + ".residual.2", 0, {3, 3, 3});
    block.norm2 = norm(name + ".residual.3", 4);
    block.conv2 = conv(name + ".residual.6", channels_, {3, 3, 3});
    if (channels_ != in) block.shortcut = beside(in).conv(name + ".shortcut", channels_, {1, 1, 1});
    return block;
  }

  Attention attention(const std::string& name) {
    const at::Tensor gamma = norm(name + ".norm", 3);
    return {gamma, linear(name + ".to_qkv", 3 * channels_), linear(name + ".proj", channels_)};
  }

  Conv linear(const std::string& name, std::int64_t out) {
    const Conv pointwise = beside(channels_).strided(name, out, {1, 1});
    return {pointwise.weight.flatten(1), pointwise.bias};
  }

  Layer resample(const std::string& name) {
    const bool up = direction_ == Direction::up, in_time = reader_.any_left(name + ".time_conv.");
    if (up) {
      const Conv time = in_time ? beside(channels_).conv(name + ".time_conv", 2 * channels_, {3, 1, 1}) : Conv();
      return Upsample{conv(name + ".resample.1", 0, {3, 3}), time};
    }
    const Conv time = in_time ? beside(channels_).strided(name + ".time_conv", channels_, {3, 1, 1}) : Conv();
    return Downsample{strided(name + ".resample.1", channels_, {3, 3}), time};
  }

  /// Reads a layer that is no link in the chain.
  LayerReader beside(std::int64_t channels) { return {reader_, direction_, how_, channels}; }

  WeightReader& reader_;
  Direction direction_;
  Convolving how_;
  std::int64_t channels_;
};

Coder load_decoder(WeightReader& reader, Convolving how, std::int64_t channels) {
  LayerReader layers(reader, Direction::up, how, channels);
  Coder decoder;
  decoder.first = layers.conv("decoder.conv1", 0, {3, 3, 3});
  layers.append(decoder.layers, "decoder.middle");
  layers.append(decoder.layers, "decoder.upsamples");
  decoder.last_norm = layers.norm("decoder.head.0", 4);
  decoder.last = layers.conv("decoder.head.2", kRgb, {3, 3, 3});
  return decoder;
}

Coder load_encoder(WeightReader& reader, Convolving how, std::int64_t out) {
  LayerReader layers(reader, Direction::down, how, kRgb);
  Coder encoder;
  encoder.first = layers.conv("encoder.conv1", 0, {3, 3, 3});
  layers.append(encoder.layers, "encoder.downsamples");
  layers.append(encoder.layers, "encoder.middle");
  encoder.last_norm = layers.norm("encoder.head.0", 4);
  encoder.last = layers.conv("encoder.head.2", out, {3, 3, 3});
  return encoder;
}

/// 2 to the power of the number of layers that resample by 2.
template <class Resamples>
std::int64_t factor(const Coder& coder, Resamples resamples) {
  std::int64_t factor = 1;
  for (const Layer& layer : coder.layers) {
    if (const auto* up = std::get_if<Upsample>(&layer)) factor *= resamples(*up) ? 2 : 1;
    if (const auto* down = std::get_if<Downsample>(&layer)) factor *= resamples(*down) ? 2 : 1;
  }
  return factor;
}

}  // namespace

std::int64_t space_factor(const Coder& coder) {
  return factor(coder, [](const auto&) { return true; });
}

std::int64_t time_factor(const Coder& coder) {
  return factor(coder, [](const auto& layer) { return layer.time.weight.defined(); });
}

}  // namespace vae

namespace {

constexpr std::int64_t kLatent = VaeWeights::kLatentChannels;

VaeEncoderWeights take_encoder(WeightReader& reader, Convolving how) {
  VaeEncoderWeights weights;
  weights.encoder = vae::load_encoder(reader, how, 2 * kLatent);
  weights.encoder_out =
      vae::LayerReader(reader, vae::Direction::down, how, 2 * kLatent).conv("conv1", 2 * kLatent, {1, 1, 1});
  return weights;
}

VaeWeights take_decoder(WeightReader& reader, Convolving how) {
  VaeWeights weights;
  weights.decoder_in = vae::LayerReader(reader, vae::Direction::up, how, kLatent).conv("conv2", kLatent, {1, 1, 1});
  weights.decoder = vae::load_decoder(reader, how, kLatent);
  return weights;
}

/// Checks the names and shapes of all tensors, those of the half that is not loaded included, and reads no data.
void check_headers(const NetworkWeights& files, at::ScalarType dtype) {
  WeightReader reader(files, dtype, at::kMeta);
  if (const std::int64_t channels = reader.size("conv2.weight", 0); channels != kLatent)
    throw Error(Error::environment, reader.where() + ": tensor conv2.weight: latents of " + std::to_string(channels) +
                                        " channels; this program has the constants of Wan 2.1, which has " +
                                        std::to_string(kLatent));
  take_encoder(reader, Convolving::library);
  take_decoder(reader, Convolving::library);
  reader.expect_nothing_left("the Wan 2.1 VAE");
}

/// Weights without data are not for any device.
Convolving how_on(at::Device device, at::ScalarType dtype, bool tf32) {
  return device.is_meta() ? Convolving::library : convolving_on(device, dtype, tf32);
}

}  // namespace

VaeWeights load_vae(const NetworkWeights& files, at::ScalarType dtype, at::Device device, bool tf32) {
  check_headers(files, dtype);
  WeightReader reader(files, dtype, device);
  return take_decoder(reader, how_on(device, dtype, tf32));
}

VaeEncoderWeights load_vae_encoder(const NetworkWeights& files, at::ScalarType dtype, at::Device device, bool tf32) {
  check_headers(files, dtype);
  WeightReader reader(files, dtype, device);
  return take_encoder(reader, how_on(device, dtype, tf32));
}

}  // namespace wf
