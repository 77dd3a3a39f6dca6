#include "launcher/random_model/layout.hpp"

#include <cmath>

#include "base/error.hpp"
#include "base/text.hpp"

namespace wf {
namespace {

using Tensors = std::vector<RandomTensor>;
using Shape = std::vector<std::int64_t>;

constexpr std::int64_t latent_channels = 16, frequencies = 256, buckets = 32;

void normal(Tensors& out, const std::string& name, const Shape& shape) { out.push_back({name, shape, 1.0, 0.1}); }
void small(Tensors& out, const std::string& name, const Shape& shape) { out.push_back({name, shape, 0.0, 0.1}); }

/// A weight whose standard deviation is gain / sqrt(fan_in), so that with gain 1 outputs have the variance of inputs.
void weight(Tensors& out, const std::string& name, const Shape& shape, double gain = 1.0) {
  double fan_in = 1;
  for (std::size_t i = 1; i < shape.size(); ++i) fan_in *= static_cast<double>(shape[i]);
  out.push_back({name, shape, 0.0, gain / std::sqrt(fan_in)});
}

void layer(Tensors& out, const std::string& name, const Shape& shape) {
  weight(out, name + ".weight", shape);
  small(out, name + ".bias", {shape[0]});
}

void attention(Tensors& out, const std::string& name, std::int64_t dim) {
  for (const char* part : {".q", ".k", ".v", ".o"}) layer(out, name + part, {dim, dim});
  normal(out, name + ".norm_q.weight", {dim});
  normal(out, name + ".norm_k.weight", {dim});
}

void residual(Tensors& out, const std::string& name, std::int64_t in, std::int64_t to) {
  normal(out, name + ".residual.0.gamma", {in, 1, 1, 1});
  layer(out, name + ".residual.2", {to, in, 3, 3, 3});
  normal(out, name + ".residual.3.gamma", {to, 1, 1, 1});
  layer(out, name + ".residual.6", {to, to, 3, 3, 3});
  if (in != to) layer(out, name + ".shortcut", {to, in, 1, 1, 1});
}

void middle(Tensors& out, const std::string& name, std::int64_t dim) {
  residual(out, name + ".0", dim, dim);
  normal(out, name + ".1.norm.gamma", {dim, 1, 1});
  layer(out, name + ".1.to_qkv", {3 * dim, dim, 1, 1});
  layer(out, name + ".1.proj", {dim, dim, 1, 1});
  residual(out, name + ".2", dim, dim);
}

void head(Tensors& out, const std::string& name, std::int64_t in, std::int64_t to) {
  normal(out, name + ".0.gamma", {in, 1, 1, 1});
  layer(out, name + ".2", {to, in, 3, 3, 3});
}

/// The VAE encoder: two residual blocks at each level, then half the size. Time is halved after the second and the
/// third level.
void encoder(Tensors& out, std::int64_t c) {
  const std::int64_t widths[] = {c, 2 * c, 4 * c, 4 * c};
  layer(out, "encoder.conv1", {c, 3, 3, 3, 3});
  int place = 0;
  const auto next = [&place] { return "encoder.downsamples." + std::to_string(place++); };
  for (int level = 0; level < 4; ++level) {
    const std::int64_t width = widths[level];
    residual(out, next(), level == 0 ? c : widths[level - 1], width);
    residual(out, next(), width, width);
    if (level == 3) break;
    const std::string down = next();
    layer(out, down + ".resample.1", {width, width, 3, 3});
    if (level > 0) layer(out, down + ".time_conv", {width, width, 3, 1, 1});
  }
  middle(out, "encoder.middle", 4 * c);
  head(out, "encoder.head", 4 * c, 2 * latent_channels);
}

/// The VAE decoder: three residual blocks at each level, then twice the size at half the channels. Time is doubled
/// after the first two levels.
void decoder(Tensors& out, std::int64_t c) {
  const std::int64_t widths[] = {4 * c, 4 * c, 2 * c, c};
  layer(out, "decoder.conv1", {4 * c, latent_channels, 3, 3, 3});
  middle(out, "decoder.middle", 4 * c);
  int place = 0;
  const auto next = [&place] { return "decoder.upsamples." + std::to_string(place++); };
  for (int level = 0; level < 4; ++level) {
    const std::int64_t width = widths[level];
    residual(out, next(), level == 0 ? width : widths[level - 1] / 2, width);
    residual(out, next(), width, width);
    residual(out, next(), width, width);
    if (level == 3) break;
    const std::string up = next();
    layer(out, up + ".resample.1", {width / 2, width, 3, 3});
    if (level < 2) layer(out, up + ".time_conv", {2 * width, width, 3, 1, 1});
  }
  head(out, "decoder.head", c, 3);
}

void require(bool holds, const std::string& what) {
  if (!holds) throw Error(Error::input, what);
}

}  // namespace

std::vector<std::string> preset_names() { return {"tiny", "small", "a14b"}; }

ModelSize preset(const std::string& name) {
  if (name == "tiny") return {};
  if (name == "small")
    return {.dim = 384,
            .ffn = 1024,
            .heads = 6,
            .layers = 6,
            .text_dim = 256,
            .text_ffn = 640,
            .text_heads = 4,
            .text_layers = 4,
            .vae_dim = 24};
  if (name == "a14b")
    return {.dim = 5120,
            .ffn = 13824,
            .heads = 40,
            .layers = 40,
            .text_dim = 4096,
            .text_ffn = 10240,
            .text_heads = 64,
            .text_layers = 24,
            .vocabulary = 256384,
            .vae_dim = 96};
  throw Error(Error::input, "no model size is called '" + name + "': there are " + join(preset_names(), ", "));
}

void check_size(const ModelSize& s) {
  require(s.dim % s.heads == 0, "--dim must be a multiple of --heads");
  require((s.dim / s.heads) % 2 == 0 && s.dim / s.heads >= 6,
          "--dim / --heads, the size of a head, must be even and at least 6");
  require(s.text_dim % s.text_heads == 0, "--text-dim must be a multiple of --text-heads");
  require(s.vae_dim % 4 == 0, "--vae-dim must be a multiple of 4");
}

std::int64_t count(const RandomTensor& tensor) {
  std::int64_t elements = 1;
  for (const std::int64_t extent : tensor.shape) elements *= extent;
  return elements;
}

Tensors expert_tensors(const ModelSize& s) {
  Tensors out;
  layer(out, "patch_embedding", {s.dim, latent_channels, 1, 2, 2});
  layer(out, "text_embedding.0", {s.dim, s.text_dim});
  layer(out, "text_embedding.2", {s.dim, s.dim});
  layer(out, "time_embedding.0", {s.dim, frequencies});
  layer(out, "time_embedding.2", {s.dim, s.dim});
  layer(out, "time_projection.1", {6 * s.dim, s.dim});
  for (std::int64_t i = 0; i < s.layers; ++i) {
    const std::string block = "blocks." + std::to_string(i);
    small(out, block + ".modulation", {1, 6, s.dim});
    attention(out, block + ".self_attn", s.dim);
    normal(out, block + ".norm3.weight", {s.dim});
    small(out, block + ".norm3.bias", {s.dim});
    attention(out, block + ".cross_attn", s.dim);
    layer(out, block + ".ffn.0", {s.ffn, s.dim});
    layer(out, block + ".ffn.2", {s.dim, s.ffn});
  }
  small(out, "head.modulation", {1, 2, s.dim});
  layer(out, "head.head", {4 * latent_channels, s.dim});
  return out;
}

Tensors text_encoder_tensors(const ModelSize& s) {
  Tensors out;
  out.push_back({"token_embedding.weight", {s.vocabulary, s.text_dim}, 0.0, 1.0});
  // umT5 does not divide scores by the root of the head size, so the weights of queries have to.
  const double query_gain = 1.0 / std::sqrt(static_cast<double>(s.text_dim / s.text_heads));
  for (std::int64_t i = 0; i < s.text_layers; ++i) {
    const std::string block = "blocks." + std::to_string(i);
    normal(out, block + ".norm1.weight", {s.text_dim});
    weight(out, block + ".attn.q.weight", {s.text_dim, s.text_dim}, query_gain);
    for (const char* part : {"k", "v", "o"}) weight(out, block + ".attn." + part + ".weight", {s.text_dim, s.text_dim});
    out.push_back({block + ".pos_embedding.embedding.weight", {buckets, s.text_heads}, 0.0, 0.5});
    normal(out, block + ".norm2.weight", {s.text_dim});
    weight(out, block + ".ffn.gate.0.weight", {s.text_ffn, s.text_dim});
    weight(out, block + ".ffn.fc1.weight", {s.text_ffn, s.text_dim});
    weight(out, block + ".ffn.fc2.weight", {s.text_dim, s.text_ffn});
  }
  normal(out, "norm.weight", {s.text_dim});
  return out;
}

Tensors vae_tensors(const ModelSize& s) {
  Tensors out;
  encoder(out, s.vae_dim);
  layer(out, "conv1", {2 * latent_channels, 2 * latent_channels, 1, 1, 1});
  layer(out, "conv2", {latent_channels, latent_channels, 1, 1, 1});
  decoder(out, s.vae_dim);
  return out;
}

}  // namespace wf
