// pipeline/weights/random_draw.hpp: random weights, drawn on the device that needs them.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "pipeline/weights/tensor_file.hpp"

namespace wf {

/// A new generator for `device`, seeded and shared with nobody.
at::Generator seeded_generator(at::Device device, std::uint64_t seed);

/// Fills a contiguous tensor with mean + spread * N(0, 1), computed in f32, rounded to `stored` and then to the
/// target's dtype. The same seed gives the same values on every CPU, and on every GPU of one model, but CPU and GPU
/// values differ. Pinned host memory gets the GPU's values, so that a weight does not depend on where it is kept. Needs
/// at most 0.5 GB besides the tensor.
void draw(const at::Tensor& target, const RandomValues& values, at::ScalarType stored);

}  // namespace wf
