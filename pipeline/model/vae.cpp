// pipeline/model/vae.cpp: the layers of the VAE, applied to one chunk of a clip. Features are [1, channels, frames,
// rows, columns]; their memory order is channels-last.
#include "pipeline/model/vae.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/watched_work.hpp"
#include "pipeline/kernels/convolve.hpp"
#include "pipeline/model/latent_statistics.hpp"

namespace wf {
namespace {

using namespace vae;

constexpr int kChannels = 1, kTime = 2;
constexpr int kRows = 2;                            // of latents and videos, [channels, frames, rows, columns]
constexpr int kKernelRows = 3, kKernelColumns = 4;  // of a convolution's weight

at::Tensor per_channel(const LatentStatistics& values, at::Device device) {
  return at::tensor(at::ArrayRef<double>(values), at::kFloat).view({1, -1, 1, 1, 1}).to(device);
}

/// x / |x| * weight, where |x| is the L2 norm over the channels. An x that was moved in is freed as soon as the
/// quotient exists; any other x is left alone. (`return x` moves; a parameter itself may live until the caller's
/// statement ends.)
at::Tensor normalised(at::Tensor x, const at::Tensor& weight) {
  x = x.div(at::linalg_vector_norm(x, 2, {kChannels}, /*keepdim=*/true).clamp_min_(1e-12));
  x.mul_(weight);
  return x;
}

at::Tensor activated(at::Tensor x, const at::Tensor& weight) {
  x = normalised(std::move(x), weight);
  at::silu_(x);
  return x;
}

at::Tensor pointwise(at::Tensor x, const Conv& conv) {
  return convolve(std::move(x), conv.weight, conv.bias, {1, 1, 1}, {0, 0, 0});
}

/// The last n frames as a copy, so that the chunk itself can be freed.
at::Tensor last_frames(const at::Tensor& x, std::int64_t n) { return x.narrow(kTime, x.size(kTime) - n, n).clone(); }

/// What the layers share while one chunk passes through them.
struct Pass {
  FeatureCache& cache;
  const RowSplit& rows;
};

/// A convolution of kernel 3 in time over this chunk and the two frames before it, which are zeros at the start of the
/// clip, and which the cache keeps. Rows and columns are padded with zeros. What is kept has the neighbours' rows, so
/// that they travel once.
at::Tensor causal_conv(at::Tensor x, const Conv& conv, Pass& pass) {
  at::Tensor& past = pass.cache.next_slot();
  const std::int64_t beside = conv.weight.size(kKernelRows) / 2;
  x = pass.rows.with_neighbours(std::move(x), beside, beside);
  if (!past.defined())
    past = at::empty({1, x.size(1), 2, x.size(3), x.size(4)}, x.options(), at::MemoryFormat::ChannelsLast3d).zero_();
  x = at::cat({past, x}, kTime);
  past = last_frames(x, 2);
  return convolve(std::move(x), conv.weight, conv.bias, {1, 1, 1},
                  {0, pass.rows.is_split() ? 0 : beside, conv.weight.size(kKernelColumns) / 2});
}

/// A clip as a batch of frames [frames, channels, rows, columns], and back; both are views. (With the two steps
/// swapped, the batch would have a stride that ATen does not recognise as channels-last, and every convolution would
/// copy.)
at::Tensor as_frames(const at::Tensor& x) { return x.squeeze(0).transpose(0, 1); }
at::Tensor as_clip(const at::Tensor& frames) { return frames.unsqueeze(0).transpose(1, 2); }

/// Makes two frames of each one, except for the clip's first, which is not part of the later frames' history either.
at::Tensor double_time(at::Tensor x, const Conv& conv, Pass& pass) {
  if (pass.cache.first_chunk()) {
    pass.cache.next_slot();
    return x;
  }
  const std::int64_t channels = x.size(kChannels);
  const at::Tensor pairs =
      causal_conv(std::move(x), conv, pass).movedim(1, -1).unflatten(-1, {2, channels});  // [1, t, h, w, 2, C]
  return pairs.movedim(-2, 2).flatten(1, 2).movedim(-1, 1);
}

/// Makes one frame of every two with a kernel that begins at the frame before them. The clip's first frame stays as it
/// is.
at::Tensor halve_time(at::Tensor x, const Conv& conv, Pass& pass) {
  at::Tensor& past = pass.cache.next_slot();
  if (past.defined()) x = at::cat({past, x}, kTime);
  past = last_frames(x, 1);
  return pass.cache.first_chunk() ? x : convolve(std::move(x), conv.weight, conv.bias, {2, 1, 1}, {0, 0, 0});
}

at::Tensor apply(const Residual& block, at::Tensor x, Pass& pass) {
  at::Tensor y = causal_conv(activated(x, block.norm1), block.conv1, pass);
  y = causal_conv(activated(std::move(y), block.norm2), block.conv2, pass);
  return y.add_(block.shortcut.weight.defined() ? pointwise(std::move(x), block.shortcut) : x);
}

/// Keys and values of all rows, [frames, positions, 2 C], of those of this rank's rows.
at::Tensor of_all_rows(const at::Tensor& own, const RowSplit& rows) {
  if (!rows.is_split()) return own;
  return rows.gather(own.transpose(0, 1).contiguous()).transpose(0, 1);
}

at::Tensor apply(const Attention& block, at::Tensor x, Pass& pass) {
  const std::int64_t channels = x.size(kChannels);
  const at::Tensor positions = normalised(x, block.norm).squeeze(0).permute({1, 2, 3, 0}).flatten(1, 2);  // [t, h w, C]
  const at::Tensor qkv = at::linear(positions, block.qkv.weight, block.qkv.bias);
  const at::Tensor q = qkv.narrow(-1, 0, channels).unsqueeze(1);
  const auto kv = of_all_rows(qkv.narrow(-1, channels, 2 * channels), pass.rows).unsqueeze(1).chunk(2, -1);
  const at::Tensor mixed = at::scaled_dot_product_attention(q, kv[0], kv[1]).squeeze(1);
  const at::Tensor y = at::linear(mixed, block.proj.weight, block.proj.bias).unflatten(1, {x.size(3), x.size(4)});
  return y.unsqueeze(0).movedim(-1, kChannels).add_(x);
}

at::Tensor apply(const Upsample& layer, at::Tensor x, Pass& pass) {
  if (layer.time.weight.defined()) x = double_time(std::move(x), layer.time, pass);
  x = at::upsample_nearest2d(as_frames(x), {2 * x.size(3), 2 * x.size(4)});
  x = as_frames(pass.rows.with_neighbours(as_clip(x), 1, 1));
  const std::int64_t padding = pass.rows.is_split() ? 0 : 1;
  return as_clip(convolve(std::move(x), layer.space.weight, layer.space.bias, {1, 1}, {padding, 1}));
}

at::Tensor apply(const Downsample& layer, at::Tensor x, Pass& pass) {
  x = as_frames(pass.rows.with_neighbours(std::move(x), 0, 1));
  const std::int64_t below = pass.rows.is_split() ? 0 : 1;
  x = at::constant_pad_nd(x, {0, 1, 0, below});  // right and bottom only
  x = as_clip(convolve(std::move(x), layer.space.weight, layer.space.bias, {2, 2}, {0, 0}));
  return layer.time.weight.defined() ? halve_time(std::move(x), layer.time, pass) : x;
}

/// Runs one chunk through an encoder or a decoder.
at::Tensor run(const Coder& coder, at::Tensor x, Pass pass) {
  pass.cache.begin_chunk();
  x = causal_conv(std::move(x), coder.first, pass);
  for (const Layer& layer : coder.layers) {
    x = std::visit([&](const auto& kind) { return apply(kind, std::move(x), pass); }, layer);
    mark_progress();  // on a CPU a frame may take minutes
  }
  return causal_conv(activated(std::move(x), coder.last_norm), coder.last, pass);
}

std::string to_string(at::IntArrayRef shape) {
  std::string text;
  for (const std::int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

void expect_clip(const char* what, const at::Tensor& clip, std::int64_t channels) {
  if (clip.dim() == 4 && clip.size(0) == channels && clip.numel() > 0) return;
  throw Error(Error::internal, std::string(what) + " of the VAE must be [" + std::to_string(channels) +
                                   ", frames, height, width], not " + to_string(clip.sizes()));
}

/// Throws unless the first chunk is one frame and every later one a multiple of `unit` frames.
void expect_chunk(bool first, std::int64_t frames, std::int64_t unit) {
  if (first ? frames == 1 : frames % unit == 0) return;
  throw Error(Error::internal,
              first ? "the first chunk of a clip is 1 frame, not " + std::to_string(frames)
                    : "a chunk of " + std::to_string(frames) + " frames is no multiple of " + std::to_string(unit));
}

}  // namespace

at::Tensor& FeatureCache::next_slot() {
  if (next_ == slots_.size()) slots_.emplace_back();
  return slots_[next_++];
}

at::Tensor VaeDecoder::next(const at::Tensor& latents) {
  expect_clip("latents", latents, VaeWeights::kLatentChannels);
  expect_chunk(cache_.unused(), latents.size(1), 1);
  const Conv& in = weights_.decoder_in;
  const at::Device device = in.weight.device();
  const at::Tensor own = rows_.own_rows(latents, kRows).to(device, at::kFloat).unsqueeze(0);
  const at::Tensor z = own * per_channel(latent_std, device) + per_channel(latent_mean, device);
  return run(weights_.decoder, pointwise(z.to(in.weight.scalar_type()), in), {cache_, rows_}).squeeze(0).to(at::kFloat);
}

at::Tensor VaeEncoder::next(const at::Tensor& frames) {
  expect_clip("frames", frames, 3);
  expect_chunk(cache_.unused(), frames.size(1), time_factor(weights_.encoder));
  const Conv& out = weights_.encoder_out;
  const at::Device device = out.weight.device();
  const at::Tensor x = rows_.own_rows(frames, kRows).to(device, out.weight.scalar_type()).unsqueeze(0);
  const at::Tensor mean =
      pointwise(run(weights_.encoder, x, {cache_, rows_}), out).narrow(kChannels, 0, VaeWeights::kLatentChannels);
  return ((mean.to(at::kFloat) - per_channel(latent_mean, device)) / per_channel(latent_std, device)).squeeze(0);
}

void vae_decode(const VaeWeights& weights, const at::Tensor& latents, const FrameSink& sink,
                std::int64_t latent_frames_per_chunk, const RowSplit& rows) {
  VaeDecoder decoder(weights, rows);
  sink(decoder.next(latents.narrow(1, 0, 1)));
  for (std::int64_t done = 1; done < latents.size(1); done += latent_frames_per_chunk)
    sink(decoder.next(latents.narrow(1, done, std::min(latent_frames_per_chunk, latents.size(1) - done))));
}

at::Tensor vae_encode(const VaeEncoderWeights& weights, const at::Tensor& video, const RowSplit& rows) {
  expect_clip("video", video, 3);
  const std::int64_t space = space_factor(weights.encoder), time = time_factor(weights.encoder);
  if ((video.size(1) - 1) % time != 0 || video.size(2) % space != 0 || video.size(3) % space != 0)
    throw Error(Error::input, "a video to encode has " + std::to_string(time) +
                                  "k+1 frames, height and width are multiples of " + std::to_string(space) +
                                  "; this one is [rgb, frames, height, width] = " + to_string(video.sizes()));
  VaeEncoder encoder(weights, rows);
  std::vector<at::Tensor> latents{encoder.next(video.narrow(1, 0, 1))};
  for (std::int64_t done = 1; done < video.size(1); done += time)
    latents.push_back(encoder.next(video.narrow(1, done, time)));
  return at::cat(latents, 1);
}

}  // namespace wf
