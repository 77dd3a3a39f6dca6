// pipeline/kernels/convolve_cuda.cpp: checks tensors and passes their pointers, and the current stream, to the kernels
// of convolve_hopper.cu and convolve_input.cu.
#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>

#include "base/check.hpp"
#include "pipeline/kernels/convolve_launch.hpp"
#include "pipeline/kernels/convolve_ours.hpp"

namespace wf::ours {
namespace {

constexpr int kChannels = 1, kTime = 2, kRows = 3, kColumns = 4;

hopper::Arithmetic arithmetic(Convolving how) {
  switch (how) {
    case Convolving::hopper_bf16:
      return hopper::Arithmetic::bf16;
    case Convolving::hopper_tf32:
      return hopper::Arithmetic::tf32;
    default:
      return hopper::Arithmetic::split_f32;
  }
}

const void* pointer(const at::Tensor& x) { return x.defined() ? x.const_data_ptr() : nullptr; }

/// Memory for features [1, channels, frames, rows, columns] in channels-last order.
at::Tensor empty_features(const at::Tensor& like, std::int64_t channels, std::int64_t frames, std::int64_t rows,
                          std::int64_t columns) {
  return at::empty({1, channels, frames, rows, columns}, like.options(), at::MemoryFormat::ChannelsLast3d);
}

/// Whether features lie in channels-last order, whatever strides dimensions of size 1 have.
bool is_channels_last(const at::Tensor& x) { return x.permute({0, 2, 3, 4, 1}).is_contiguous(); }

void check_features(const at::Tensor& x, at::ScalarType dtype) {
  WF_CHECK(!x.defined() || (x.dim() == 5 && x.size(0) == 1 && x.scalar_type() == dtype && is_channels_last(x)));
}

/// Sizes of a convolution of single frames have no kernel in time.
std::int64_t kernel_frames(const at::Tensor& weight) { return weight.dim() == 5 ? weight.size(2) : 1; }

/// The description of what the convolution reads, but for the memory that it is written to.
hopper::ConvolutionInput describe_input(const at::Tensor& x, const BeforeConvolution& before,
                                        const ConvolutionWeights& weights, const at::Tensor& norm) {
  const std::int64_t past_frames = kernel_frames(weights.weight) - 1;
  const bool reaches = weights.weight.size(-1) > 1, is_split = reaches && before.edges.above.defined();
  WF_CHECK((past_frames > 0) == (before.past != nullptr) && !(before.doubled && past_frames > 0));
  const at::ScalarType dtype = weights.weight.scalar_type();
  for (const at::Tensor& features : {x, before.edges.above, before.edges.below}) check_features(features, dtype);
  hopper::ConvolutionInput input{};
  input.arithmetic = arithmetic(weights.how);
  input.x = x.const_data_ptr();
  input.norm = norm.defined() ? norm.const_data_ptr<float>() : nullptr;
  if (is_split) input.above = pointer(before.edges.above), input.below = pointer(before.edges.below);
  input.channels = x.size(kChannels), input.frames = x.size(kTime);
  input.rows = x.size(kRows), input.columns = x.size(kColumns);
  input.past_frames = past_frames, input.around = is_split ? 1 : 0;
  input.scale = before.doubled ? 2 : 1;
  return input;
}

/// The description of a convolution to `output`, but for the rows that are computed at once.
hopper::Convolution describe(const ConvolutionWeights& weights, const at::Tensor& output, std::int64_t frames_each) {
  hopper::Convolution convolution{};
  convolution.arithmetic = arithmetic(weights.how);
  convolution.weight = weights.weight.const_data_ptr();
  convolution.bias = weights.bias.const_data_ptr<float>();
  convolution.channels_in = weights.weight.size(1), convolution.channels_out = weights.weight.size(0);
  convolution.frames = output.size(kTime) / frames_each, convolution.columns = output.size(kColumns);
  convolution.kernel_frames = kernel_frames(weights.weight), convolution.kernel = weights.weight.size(-1);
  convolution.all_rows = output.size(kRows), convolution.frames_each = frames_each;
  return convolution;
}

void* at_row(const at::Tensor& features, std::int64_t row) {
  return static_cast<char*>(features.data_ptr()) +
         row * features.size(kColumns) * features.size(kChannels) * features.element_size();
}

/// Computes the output a band of rows at a time, all with the same memory for what is read.
void convolve_bands(hopper::ConvolutionInput input, hopper::Convolution convolution, const at::Tensor& output,
                    bool adds) {
  const auto stream = c10::cuda::getCurrentCUDAStream();
  const std::int64_t halo = convolution.kernel / 2, rows = output.size(kRows);
  const std::int64_t planes = input.arithmetic == hopper::Arithmetic::split_f32 ? 2 : 1;
  const std::int64_t row_values = planes * input.channels * (input.past_frames + input.frames) * convolution.columns;
  const std::int64_t band = rows_at_once(rows, row_values * output.element_size());
  const at::Tensor memory = at::empty({row_values * (std::min(band, rows) + 2 * halo)}, output.options());
  for (std::int64_t first = 0; first < rows; first += band) {
    const std::int64_t here = std::min(band, rows - first);
    input.output = memory.data_ptr();
    input.first_row = first - halo, input.output_rows = here + 2 * halo;
    // The next band reads the past of this one's last row, which therefore is the next one's to overwrite.
    input.own_first = first == 0 ? -input.around : first - halo;
    input.own_rows = (first + here == rows ? rows + input.around : first + here - halo) - input.own_first;
    hopper::write_input(input, stream);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    convolution.input = memory.const_data_ptr(), convolution.rows = here;
    convolution.output = at_row(output, first);
    convolution.residual = adds ? convolution.output : nullptr;
    C10_CUDA_CHECK(hopper::convolve(convolution, stream));
  }
}

}  // namespace

bool supports(at::Device device) {
  const c10::cuda::CUDAGuard on_device(device);
  return hopper::convolution_supported();
}

ConvolutionWeights weights_for(Convolving how, const at::Tensor& weight, const at::Tensor& bias) {
  ConvolutionWeights weights{weight, bias.to(at::kFloat), how};
  if (how == Convolving::hopper_bf16 || weight.is_meta()) return weights;
  const c10::cuda::CUDAGuard on_device(weight.device());
  std::vector<std::int64_t> sizes = weight.sizes().vec();
  if (how == Convolving::hopper_f32) sizes[0] *= 2;
  const at::Tensor memory = at::empty(sizes, weight.options(), weight.suggest_memory_format());
  auto* const rounded = memory.data_ptr<float>();
  hopper::round_to_tf32(weight.const_data_ptr<float>(), rounded,
                        how == Convolving::hopper_f32 ? rounded + weight.numel() : nullptr, weight.numel(),
                        c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  weights.weight = memory.narrow(0, 0, weight.size(0));
  return weights;
}

at::Tensor convolve(at::Tensor x, const BeforeConvolution& before, const ConvolutionWeights& weights, at::Tensor sum,
                    std::int64_t frames_each) {
  const c10::cuda::CUDAGuard on_device(x.device());
  RECORD_FUNCTION("wf::convolve", std::vector<c10::IValue>());
  const at::Tensor norm = before.norm.defined() ? before.norm.flatten().to(at::kFloat) : at::Tensor();
  hopper::ConvolutionInput input = describe_input(x, before, weights, norm);
  if (before.past) {
    at::Tensor& past = *before.past;
    check_features(past, x.scalar_type());
    input.past = pointer(past);
    if (!past.defined())
      past = empty_features(x, input.channels, input.past_frames, input.rows + 2 * input.around, input.columns);
    input.new_past = past.data_ptr();
  }
  const bool adds = sum.defined();
  check_features(sum, x.scalar_type());
  WF_CHECK(!adds || (frames_each == 1 && weights.weight.size(0) % 8 == 0));
  const at::Tensor output = adds ? std::move(sum)
                                 : empty_features(x, weights.weight.size(0) / frames_each, input.frames * frames_each,
                                                  input.rows * input.scale, input.columns * input.scale);
  convolve_bands(input, describe(weights, output, frames_each), output, adds);
  return output;
}

}  // namespace wf::ours
