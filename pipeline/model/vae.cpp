// pipeline/model/vae.cpp: the layers of the VAE, applied to one chunk of a clip. Features are [1, channels, frames,
// rows, columns]; their memory order is channels-last.
#include "pipeline/model/vae.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
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
constexpr int kRows = 2;                       // of latents and videos, [channels, frames, rows, columns]
constexpr int kKernelRows = 3;                 // of a convolution's weight
constexpr std::int64_t kAttentionRows = 3600;  // whose scores are in memory at once: 207 MB of 14,400 positions

at::Tensor per_channel(const LatentStatistics& values, at::Device device) {
  return at::tensor(at::ArrayRef<double>(values), at::kFloat).view({1, -1, 1, 1, 1}).to(device);
}

/// What the layers share while one chunk passes through them.
struct Pass {
  FeatureCache& cache;
  const RowSplit& rows;
};

/// A convolution of kernel 3 in time over this chunk and the two frames before it, which are zeros at the start of the
/// clip, and which the cache keeps. If there is a norm, features first go through it and SiLU.
at::Tensor causal_conv(at::Tensor x, const at::Tensor& norm, const Conv& conv, Pass& pass, at::Tensor sum = {},
                       std::int64_t frames_each = 1) {
  BeforeConvolution before{.norm = norm, .past = &pass.cache.next_slot()};
  if (conv.weight.size(kKernelRows) > 1) before.edges = pass.rows.edges(x);
  return convolve(std::move(x), before, conv, std::move(sum), frames_each);
}

/// Makes two frames of each one, except for the clip's first, which is not part of the later frames' history either.
at::Tensor double_time(at::Tensor x, const Conv& conv, Pass& pass) {
  if (!pass.cache.first_chunk()) return causal_conv(std::move(x), {}, conv, pass, {}, /*frames_each=*/2);
  pass.cache.next_slot();
  return x;
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
  at::Tensor y = causal_conv(x, block.norm1, block.conv1, pass);
  if (block.shortcut.weight.defined()) x = convolve(std::move(x), {}, block.shortcut);
  return causal_conv(std::move(y), block.norm2, block.conv2, pass, std::move(x));
}

/// Keys and values of all rows, [frames, positions, 2 C], of those of this rank's rows.
at::Tensor of_all_rows(const at::Tensor& own, const RowSplit& rows) {
  if (!rows.is_split()) return own;
  return rows.gather(own.transpose(0, 1).contiguous()).transpose(0, 1);
}

/// Attention of q over k and v, [frames, positions, C] each.
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  if (q.is_cpu() || q.scalar_type() != at::kFloat)
    return at::scaled_dot_product_attention(q.unsqueeze(1), k.unsqueeze(1), v.unsqueeze(1)).squeeze(1);
  // On a GPU LibTorch has no kernel in f32 that uses the tensor cores for heads of 384 channels. Products do.
  const at::Tensor mixed = at::empty_like(q, at::MemoryFormat::Contiguous);
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
  for (std::int64_t frame = 0; frame < q.size(0); ++frame)
    for (std::int64_t row = 0; row < q.size(1); row += kAttentionRows) {
      const std::int64_t rows = std::min(kAttentionRows, q.size(1) - row);
      at::Tensor scores = at::matmul(q[frame].narrow(0, row, rows) * scale, k[frame].t());
      at::softmax_out(scores, scores, -1);
      at::Tensor place = mixed[frame].narrow(0, row, rows);
      at::matmul_out(place, scores, v[frame]);
    }
  return mixed;
}

at::Tensor apply(const Attention& block, at::Tensor x, Pass& pass) {
  const std::int64_t channels = x.size(kChannels);
  const at::Tensor positions = normalised(x, block.norm).squeeze(0).permute({1, 2, 3, 0}).flatten(1, 2);  // [t, h w, C]
  const at::Tensor qkv = at::linear(positions, block.qkv.weight, block.qkv.bias);
  const at::Tensor q = qkv.narrow(-1, 0, channels);
  const auto kv = of_all_rows(qkv.narrow(-1, channels, 2 * channels), pass.rows).chunk(2, -1);
  const at::Tensor mixed = attend(q, kv[0], kv[1]);
  const at::Tensor y = at::linear(mixed, block.proj.weight, block.proj.bias).unflatten(1, {x.size(3), x.size(4)});
  return y.unsqueeze(0).movedim(-1, kChannels).add_(x);
}

at::Tensor apply(const Upsample& layer, at::Tensor x, Pass& pass) {
  if (layer.time.weight.defined()) x = double_time(std::move(x), layer.time, pass);
  const EdgeRows edges = pass.rows.edges(x);
  return convolve(std::move(x), {.doubled = true, .edges = edges}, layer.space);
}

at::Tensor apply(const Downsample& layer, at::Tensor x, Pass& pass) {
  if (pass.rows.is_split()) x = at::cat({x, pass.rows.edges(x).below}, 3);
  x = as_frames(x);
  const std::int64_t below = pass.rows.is_split() ? 0 : 1;
  x = at::constant_pad_nd(x, {0, 1, 0, below});  // right and bottom only
  x = as_clip(convolve(std::move(x), layer.space.weight, layer.space.bias, {2, 2}, {0, 0}));
  return layer.time.weight.defined() ? halve_time(std::move(x), layer.time, pass) : x;
}

/// Runs one chunk through an encoder or a decoder.
at::Tensor run(const Coder& coder, at::Tensor x, Pass pass) {
  pass.cache.begin_chunk();
  x = causal_conv(std::move(x), {}, coder.first, pass);
  for (const Layer& layer : coder.layers) {
    x = std::visit([&](const auto& kind) { return apply(kind, std::move(x), pass); }, layer);
    mark_progress();  // on a CPU a frame may take minutes
  }
  return causal_conv(std::move(x), coder.last_norm, coder.last, pass);
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
  const at::Tensor x = z.to(in.weight.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast3d);
  return run(weights_.decoder, convolve(x, {}, in), {cache_, rows_}).squeeze(0).to(at::kFloat);
}

at::Tensor VaeEncoder::next(const at::Tensor& frames) {
  expect_clip("frames", frames, 3);
  expect_chunk(cache_.unused(), frames.size(1), time_factor(weights_.encoder));
  const Conv& out = weights_.encoder_out;
  const at::Device device = out.weight.device();
  const at::Tensor x = rows_.own_rows(frames, kRows)
                           .to(device, out.weight.scalar_type())
                           .unsqueeze(0)
                           .contiguous(at::MemoryFormat::ChannelsLast3d);
  const at::Tensor mean =
      convolve(run(weights_.encoder, x, {cache_, rows_}), {}, out).narrow(kChannels, 0, VaeWeights::kLatentChannels);
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
