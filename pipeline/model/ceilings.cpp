#include "pipeline/model/ceilings.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "parallel/device.hpp"
#include "pipeline/kernels/convolve.hpp"
#include "pipeline/kernels/operand.hpp"

namespace wf {
namespace {

/// Seconds of one run of `work`, in the best of five rounds of 0.1 s each: a GPU needs time to reach its clocks, and
/// lowers them again when its power limit is reached.
double seconds_each(at::Device device, const std::function<void()>& work) {
  work();
  const double once = std::max(seconds_on(device, work), 1e-6);
  const int repeats = static_cast<int>(std::clamp(0.1 / once, 1.0, 1000.0));
  double best = std::numeric_limits<double>::infinity();
  for (int round = 0; round < 5; ++round) {
    const double seconds = seconds_on(device, [&] {
      for (int i = 0; i < repeats; ++i) work();
    });
    best = std::min(best, seconds / repeats);
  }
  return best;
}

std::int64_t copied_bytes(at::Device device) { return device.is_cpu() ? 1 << 28 : 1 << 30; }

}  // namespace

std::int64_t matmul_size(at::Device device) { return device.is_cpu() ? 1024 : 8192; }

double matmul_rate(at::Device device, at::ScalarType dtype) {
  const std::int64_t n = matmul_size(device);
  const at::TensorOptions options = at::TensorOptions(device).dtype(dtype);
  const at::Tensor a = at::randn({n, n}, options), b = at::randn({n, n}, options);
  at::Tensor product = at::empty({n, n}, options);
  const double seconds = seconds_each(device, [&] { at::matmul_out(product, a, b); });
  return 2.0 * static_cast<double>(n * n * n) / seconds;
}

double fp8_matmul_rate(at::Device device) {
  const std::int64_t n = matmul_size(device);
  const at::TensorOptions options = at::TensorOptions(device).dtype(at::kBFloat16);
  const auto rounded = [&] { return as_operand(at::randn({1, n, n}, options), at::kFloat8_e4m3fn); };
  const Operand a = rounded(), b = rounded();
  const at::Tensor weight = b.values.squeeze(0), scale = b.scale.flatten(), bias = at::zeros({n}, options);
  const double seconds = seconds_each(device, [&] { scaled_product(a, weight, scale, bias); });
  return 2.0 * static_cast<double>(n * n * n) / seconds;
}

double convolution_rate(at::Device device, at::ScalarType dtype, std::int64_t channels, Convolving how) {
  const std::int64_t frames = 4, rows = device.is_cpu() ? 32 : 120, columns = device.is_cpu() ? 32 : 208;
  const at::TensorOptions options = at::TensorOptions(device).dtype(dtype);
  const auto random = [&](at::IntArrayRef sizes) {
    return at::randn(sizes, options).contiguous(at::MemoryFormat::ChannelsLast3d);
  };
  const at::Tensor x = random({1, channels, frames, rows, columns}), weight = random({channels, channels, 3, 3, 3});
  const at::Tensor joined = random({1, channels, frames + 2, rows, columns}), bias = at::zeros({channels}, options);
  at::Tensor past;
  const ConvolutionWeights weights = weights_for(how, weight, bias);
  const double seconds = seconds_each(device, [&] {
    is_ours(weights.how) ? convolve(x, {.past = &past}, weights) : convolve(joined, weight, bias, {1, 1, 1}, {0, 1, 1});
  });
  return 2.0 * static_cast<double>(weight.numel() * frames * rows * columns) / seconds;
}

double copy_rate(at::Device device) {
  const std::int64_t bytes = copied_bytes(device);
  const at::Tensor from = at::ones({bytes}, at::TensorOptions(device).dtype(at::kByte));
  at::Tensor to = at::empty_like(from);
  return 2.0 * static_cast<double>(bytes) / seconds_each(device, [&] { to.copy_(from); });
}

double upload_rate(at::Device device) {
  const std::int64_t bytes = copied_bytes(device);
  const at::Tensor from = at::ones({bytes}, at::TensorOptions(at::kByte).pinned_memory(!device.is_cpu()));
  at::Tensor to = at::empty({bytes}, at::TensorOptions(device).dtype(at::kByte));
  return static_cast<double>(bytes) / seconds_each(device, [&] { to.copy_(from, /*non_blocking=*/true); });
}

double peer_rate(at::Device from, at::Device to) {
  const std::int64_t bytes = copied_bytes(from);
  const at::Tensor source = at::ones({bytes}, at::TensorOptions(from).dtype(at::kByte));
  at::Tensor target = at::empty({bytes}, at::TensorOptions(to).dtype(at::kByte));
  return static_cast<double>(bytes) / seconds_each(from, [&] { target.copy_(source, /*non_blocking=*/true); });
}

}  // namespace wf
