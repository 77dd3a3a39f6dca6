// tests/gpu/convolve_gpu_test.cpp: our convolutions of the VAE, with all that comes before them, against the library's
// in double on the CPU. On a GPU that is not a Hopper the tests ConvolveOnGpu compare cuDNN's.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "pipeline/kernels/convolve.hpp"
#include "tests/golden.hpp"

namespace wf {
namespace {

constexpr auto volume = at::MemoryFormat::ChannelsLast3d;

/// Numbers of a dtype, on the CPU, as double.
at::Tensor numbers(at::IntArrayRef sizes, at::ScalarType dtype) { return at::randn(sizes).to(dtype).to(at::kDouble); }

at::Tensor on_gpu(const at::Tensor& x, at::ScalarType dtype) {
  if (!x.defined()) return {};
  const at::Tensor there = x.to(test::device(), dtype);
  return x.dim() == 1 ? there : there.contiguous(x.dim() == 5 ? volume : at::MemoryFormat::ChannelsLast);
}

/// A convolution and what it meets. Kernels are given as {frames, rows}; 0 frames: it acts on single frames.
struct Case {
  std::string what;
  std::int64_t in, out, frames, rows, columns;
  std::int64_t kernel_frames = 3, kernel = 3;
  bool norm = false, doubled = false, edges = false, sum = false;
  std::int64_t frames_each = 1;
};

const std::vector<Case> cases = {
    {.what = "causal", .in = 96, .out = 96, .frames = 4, .rows = 21, .columns = 19, .norm = true},
    {.what = "one frame", .in = 96, .out = 96, .frames = 1, .rows = 9, .columns = 10, .norm = true, .sum = true},
    {.what = "two frames", .in = 192, .out = 192, .frames = 2, .rows = 17, .columns = 24, .norm = true, .sum = true},
    {.what = "eight frames", .in = 32, .out = 96, .frames = 8, .rows = 10, .columns = 9, .norm = true},
    {.what = "wide", .in = 384, .out = 384, .frames = 1, .rows = 18, .columns = 20, .norm = true},
    {.what = "divided rows",
     .in = 96,
     .out = 96,
     .frames = 4,
     .rows = 11,
     .columns = 16,
     .norm = true,
     .edges = true,
     .sum = true},
    {.what = "upsampling",
     .in = 192,
     .out = 96,
     .frames = 4,
     .rows = 9,
     .columns = 7,
     .kernel_frames = 0,
     .doubled = true},
    {.what = "upsampling divided rows",
     .in = 64,
     .out = 32,
     .frames = 2,
     .rows = 5,
     .columns = 6,
     .kernel_frames = 0,
     .doubled = true,
     .edges = true},
    {.what = "doubling time",
     .in = 384,
     .out = 768,
     .frames = 2,
     .rows = 6,
     .columns = 7,
     .kernel = 1,
     .frames_each = 2},
    {.what = "doubling time, narrow",
     .in = 32,
     .out = 64,
     .frames = 1,
     .rows = 4,
     .columns = 4,
     .kernel = 1,
     .edges = true,
     .frames_each = 2},
    {.what = "pointwise",
     .in = 192,
     .out = 384,
     .frames = 3,
     .rows = 9,
     .columns = 10,
     .kernel_frames = 1,
     .kernel = 1},
    {.what = "latents", .in = 16, .out = 384, .frames = 1, .rows = 12, .columns = 13},
    {.what = "frames", .in = 96, .out = 3, .frames = 4, .rows = 30, .columns = 33, .norm = true},
    {.what = "few channels", .in = 48, .out = 80, .frames = 3, .rows = 9, .columns = 10, .norm = true, .sum = true},
};

/// A case's tensors in double; those of `chunks` chunks one after another.
struct Tensors {
  at::Tensor weight, bias, norm;
  std::vector<at::Tensor> x, above, below, sum;
};

Tensors make(const Case& c, at::ScalarType dtype, int chunks) {
  at::manual_seed(5);
  std::vector<std::int64_t> kernel{c.out, c.in};
  if (c.kernel_frames > 0) kernel.push_back(c.kernel_frames);
  kernel.insert(kernel.end(), {c.kernel, c.kernel});
  Tensors made{numbers(kernel, dtype), numbers({c.out}, dtype), {}, {}, {}, {}, {}};
  made.weight = (made.weight / std::sqrt(static_cast<double>(made.weight.numel()) / static_cast<double>(c.out)))
                    .to(dtype)
                    .to(at::kDouble);
  if (c.norm) made.norm = numbers({1, c.in, 1, 1, 1}, dtype);
  const std::int64_t scale = c.doubled ? 2 : 1;
  for (int chunk = 0; chunk < chunks; ++chunk) {
    made.x.push_back(numbers({1, c.in, c.frames, c.rows, c.columns}, dtype));
    made.above.push_back(c.edges ? numbers({1, c.in, c.frames, 1, c.columns}, dtype) : at::Tensor());
    made.below.push_back(c.edges ? numbers({1, c.in, c.frames, 1, c.columns}, dtype) : at::Tensor());
    made.sum.push_back(c.sum ? numbers({1, c.out, c.frames, scale * c.rows, scale * c.columns}, dtype) : at::Tensor());
  }
  return made;
}

/// Convolves the chunks one after another, with `place` bringing each tensor where it is computed.
template <class Place>
at::Tensor run(const Case& c, const Tensors& tensors, const ConvolutionWeights& weights, Place place) {
  at::Tensor past;
  std::vector<at::Tensor> results;
  for (std::size_t chunk = 0; chunk < tensors.x.size(); ++chunk) {
    BeforeConvolution before{.norm = place(tensors.norm),
                             .doubled = c.doubled,
                             .edges = {place(tensors.above[chunk]), place(tensors.below[chunk])}};
    if (c.kernel_frames > 1) before.past = &past;
    results.push_back(convolve(place(tensors.x[chunk]), before, weights, place(tensors.sum[chunk]), c.frames_each));
  }
  return at::cat(results, 2);
}

void expect_as_in_double(at::ScalarType dtype, bool tf32, double tolerance) {
  const c10::InferenceMode guard;
  for (const Case& c : cases) {
    const Tensors tensors = make(c, dtype, 2);
    const at::Tensor wanted = run(c, tensors, {tensors.weight, tensors.bias},
                                  [](const at::Tensor& x) { return x.defined() ? x.clone() : x; });
    const auto there = [&](const at::Tensor& x) { return on_gpu(x, dtype); };
    const ConvolutionWeights weights =
        weights_for(convolving_on(test::device(), dtype, tf32), there(tensors.weight), there(tensors.bias));
    const at::Tensor ours = run(c, tensors, weights, there);
    EXPECT_TRUE(ours.permute({0, 2, 3, 4, 1}).is_contiguous()) << c.what;
    expect_close(c.what, ours, wanted, tolerance);
  }
}

/// Sums of up to 10,368 products of f32: the error of a few roundings.
TEST(ConvolveOnGpu, InF32IsAsInDouble) { expect_as_in_double(at::kFloat, false, 3e-6); }
TEST(ConvolveOnGpu, InTf32IsNearDouble) { expect_as_in_double(at::kFloat, true, 1e-3); }
TEST(ConvolveOnGpu, InBf16IsNearDouble) { expect_as_in_double(at::kBFloat16, false, 8e-3); }

/// Input for 400 rows takes more memory than is used at once, so they are computed in bands.
TEST(ConvolveOnHopper, BitsDoNotDependOnWhoHasTheRows) {
  const c10::InferenceMode guard;
  at::manual_seed(6);
  constexpr std::int64_t channels = 96, rows = 400, columns = 1280, half = rows / 2;
  ASSERT_LT(rows_at_once(rows, 2 * channels * 6 * columns * 4), rows);
  const auto random = [&](at::IntArrayRef sizes) { return on_gpu(at::randn(sizes), at::kFloat); };
  const ConvolutionWeights weights =
      weights_for(convolving_on(test::device(), at::kFloat, false), random({channels, channels, 3, 3, 3}),
                  test::on_device(at::randn({channels})));
  const at::Tensor norm = test::on_device(at::randn({1, channels, 1, 1, 1})),
                   above = on_gpu(at::zeros({1, channels, 4, 1, columns}), at::kFloat);
  at::Tensor past, past_of_half;
  for (int chunk = 0; chunk < 2; ++chunk) {  // the second one reads the past and overwrites it
    const at::Tensor x = random({1, channels, 4, rows, columns});
    const at::Tensor whole = convolve(x, {.norm = norm, .past = &past}, weights);
    const at::Tensor first = x.narrow(3, 0, half).contiguous(volume), below = x.narrow(3, half, 1).contiguous(volume);
    const at::Tensor upper = convolve(first, {.norm = norm, .edges = {above, below}, .past = &past_of_half}, weights);
    EXPECT_TRUE(at::equal(upper, whole.narrow(3, 0, half))) << chunk;
    EXPECT_TRUE(at::equal(past_of_half.narrow(3, 1, half + 1), past.narrow(3, 0, half + 1))) << chunk;
  }
}

}  // namespace
}  // namespace wf
