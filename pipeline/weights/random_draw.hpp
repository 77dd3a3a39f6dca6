// pipeline/weights/random_draw.hpp: random numbers, above all weights, drawn where they are wanted.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "pipeline/weights/tensor_file.hpp"

namespace wf {

/// A generator of the device that nobody else uses, with this seed.
at::Generator seeded_generator(at::Device device, std::uint64_t seed);

/// Fills a contiguous tensor with mean + spread * N(0, 1) in f32, rounded to `stored` and then to its own dtype. The
/// same seed gives the same values on every CPU and the same on every GPU of one model, but a CPU and a GPU draw
/// differently. Pinned host memory is filled with what the GPU draws: a weight is the same wherever it waits. Takes at
/// most 0.5 GB beside the tensor.
void draw(const at::Tensor& target, const RandomValues& values, at::ScalarType stored);

}  // namespace wf
