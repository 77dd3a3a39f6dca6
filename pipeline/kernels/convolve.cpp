#include "pipeline/kernels/convolve.hpp"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>
#include <utility>

#include "pipeline/kernels/convolve_ours.hpp"

namespace wf {
namespace {

constexpr int kChannels = 1, kTime = 2, kRows = 3;
constexpr int hopper = 90;  // the compute capability, times ten, that we have kernels for

/// Whether oneDNN computes in bf16 on this processor: the check that LibTorch itself makes. A build without oneDNN does
/// not have the operator.
bool onednn_supports_bf16() {
  static const bool supports = [] {
    const auto check = c10::Dispatcher::singleton().findSchema({"mkldnn::_is_mkldnn_bf16_supported", ""});
    return check.has_value() && check->typed<bool()>().call();
  }();
  return supports;
}

bool widens(const at::Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kBFloat16 && !onednn_supports_bf16(); }

/// A bf16 convolution computed in f32. bf16 numbers and their products are exact in f32, so that only the sum is
/// rounded, as in oneDNN's bf16 convolution. At most three feature tensors are alive: each is freed as soon as the next
/// one exists.
at::Tensor convolve_widened(at::Tensor x, const at::Tensor& weight, const at::Tensor& bias, at::IntArrayRef stride,
                            at::IntArrayRef padding) {
  x = x.to(at::kFloat);
  x = convolve(std::move(x), weight.to(at::kFloat), bias.to(at::kFloat), stride, padding);
  return x.to(at::kBFloat16);
}

/// (`return x` moves; a parameter itself may live until the caller's statement ends.)
at::Tensor activated(at::Tensor x, const at::Tensor& norm) {
  x = normalised(std::move(x), norm);
  at::silu_(x);
  return x;
}

at::Tensor doubled(const at::Tensor& x) {
  return as_clip(at::upsample_nearest2d(as_frames(x), {2 * x.size(3), 2 * x.size(4)}));
}

/// One row of features on its way to those that it joins, so that they meet what they would have met in one tensor.
at::Tensor edge_row(at::Tensor row, const BeforeConvolution& before) {
  if (before.norm.defined()) row = activated(std::move(row), before.norm);
  return before.doubled ? doubled(row).narrow(kRows, 0, 1) : row;
}

/// The features with the rows around them.
at::Tensor with_edges(at::Tensor x, const BeforeConvolution& before) {
  return at::cat({edge_row(before.edges.above, before), x, edge_row(before.edges.below, before)}, kRows);
}

/// The features with the frames before them, which are zeros at the start of the clip.
at::Tensor with_past(at::Tensor x, at::Tensor& past, std::int64_t frames) {
  if (!past.defined())
    past =
        at::empty({1, x.size(kChannels), frames, x.size(3), x.size(4)}, x.options(), at::MemoryFormat::ChannelsLast3d)
            .zero_();
  x = at::cat({past, x}, kTime);
  past = last_frames(x, frames);
  return x;
}

/// [1, n C, t, h, w] -> [1, C, t n, h, w].
at::Tensor frames_apart(const at::Tensor& x, std::int64_t n) {
  if (n == 1) return x;
  const at::Tensor together = x.movedim(kChannels, -1).unflatten(-1, {n, x.size(kChannels) / n});  // [1, t, h, w, n, C]
  return together.movedim(-2, 2).flatten(1, 2).movedim(-1, kChannels);
}

at::Tensor convolve_by_library(at::Tensor x, const BeforeConvolution& before, const ConvolutionWeights& weights,
                               at::Tensor sum, std::int64_t frames_each) {
  const std::int64_t beside = weights.weight.size(-1) / 2;
  const bool is_split = beside > 0 && before.edges.above.defined();
  if (before.norm.defined()) x = activated(std::move(x), before.norm);
  if (before.doubled) x = doubled(x);
  if (is_split) x = with_edges(std::move(x), before);
  if (before.past) x = with_past(std::move(x), *before.past, weights.weight.size(kTime) - 1);
  const std::int64_t padding = is_split ? 0 : beside;
  if (weights.weight.dim() == 4) {
    x = as_frames(x);
    x = as_clip(convolve(std::move(x), weights.weight, weights.bias, {1, 1}, {padding, beside}));
  } else {
    x = convolve(std::move(x), weights.weight, weights.bias, {1, 1, 1}, {0, padding, beside});
  }
  x = frames_apart(x, frames_each);
  return sum.defined() ? x.add_(sum) : x;
}

/// Whether there is a kernel of ours for such a convolution.
bool can_be_ours(const at::Tensor& weight) {
  const std::int64_t kernel = weight.size(-1);
  return weight.size(1) % 16 == 0 && weight.size(1) <= 1024 && (kernel == 1 || kernel == 3);
}

}  // namespace

Convolving convolving_on(at::Device device, at::ScalarType dtype, bool tf32) {
  const bool is_hopper = device.is_cuda() && ours::supports(device);
  return convolving_on(device, is_hopper ? hopper : 0, dtype, tf32);
}

Convolving convolving_on(at::Device device, int capability, at::ScalarType dtype, bool tf32) {
  if (device.is_cpu())
    return dtype == at::kBFloat16 && !onednn_supports_bf16() ? Convolving::library_widened : Convolving::library;
  if (capability == hopper)
    return dtype == at::kBFloat16 ? Convolving::hopper_bf16 : tf32 ? Convolving::hopper_tf32 : Convolving::hopper_f32;
  return dtype == at::kFloat && !tf32 ? Convolving::library_reordered : Convolving::library;
}

ConvolutionWeights weights_for(Convolving how, at::Tensor weight, at::Tensor bias) {
  if (is_ours(how) && can_be_ours(weight)) return ours::weights_for(how, weight, bias);
  return {std::move(weight), std::move(bias)};
}

at::Tensor convolve(at::Tensor x, const BeforeConvolution& before, const ConvolutionWeights& weights, at::Tensor sum,
                    std::int64_t frames_each) {
  const auto by = is_ours(weights.how) ? ours::convolve : convolve_by_library;
  return by(std::move(x), before, weights, std::move(sum), frames_each);
}

at::Tensor normalised(at::Tensor x, const at::Tensor& norm) {
  x = x.div(at::linalg_vector_norm(x, 2, {kChannels}, /*keepdim=*/true).clamp_min_(1e-12));
  x.mul_(norm);
  return x;
}

at::Tensor last_frames(const at::Tensor& x, std::int64_t n) { return x.narrow(kTime, x.size(kTime) - n, n).clone(); }

std::int64_t rows_at_once(std::int64_t rows, std::int64_t row_bytes) {
  constexpr std::int64_t most_bytes = std::int64_t{1} << 29, tile_rows = 16;
  if (rows * row_bytes <= most_bytes) return rows;
  const std::int64_t most_rows = std::max(tile_rows, most_bytes / row_bytes / tile_rows * tile_rows);
  const std::int64_t bands = (rows + most_rows - 1) / most_rows, even = (rows + bands - 1) / bands;
  return (even + tile_rows - 1) / tile_rows * tile_rows;
}

at::Tensor convolve(at::Tensor x, const at::Tensor& weight, const at::Tensor& bias, at::IntArrayRef stride,
                    at::IntArrayRef padding) {
  if (widens(x)) return convolve_widened(std::move(x), weight, bias, stride, padding);
  if (x.dim() == 4) return at::conv2d(x, weight, bias, stride, padding);
  // For small f32 volumes LibTorch would choose a path that unfolds the input 27-fold; oneDNN is several times faster.
  if (x.is_cpu() && x.scalar_type() == at::kFloat && at::globalContext().userEnabledMkldnn())
    return at::mkldnn_convolution(x, weight, bias, padding, stride, /*dilation=*/{1, 1, 1}, /*groups=*/1);
  return at::conv3d(x, weight, bias, stride, padding);
}

}  // namespace wf
