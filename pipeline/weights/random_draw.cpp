#include "pipeline/weights/random_draw.hpp"

#include <ATen/ATen.h>

#include <algorithm>

namespace wf {
namespace {

constexpr std::int64_t piece = 64 << 20;  // elements: few launches, little memory

at::Device drawing_device(const at::Tensor& target) {
  return target.is_pinned() ? at::Device(at::getAccelerator(true).value()) : target.device();
}

/// A generator of the device that nobody else uses. The default one is the only kind that is made alike for every
/// device: copied, and given another seed.
at::Generator generator_of(std::uint64_t seed, at::Device device) {
  at::Generator generator = at::globalContext().defaultGenerator(device).clone();
  generator.set_current_seed(seed);
  return generator;
}

}  // namespace

void draw(const at::Tensor& target, const RandomValues& values, at::ScalarType stored) {
  const at::Device device = drawing_device(target);
  const at::Generator generator = generator_of(values.seed, device);
  const at::Tensor flat = target.view(-1);
  for (std::int64_t begin = 0; begin < flat.numel(); begin += piece) {
    const std::int64_t count = std::min(piece, flat.numel() - begin);
    const at::Tensor drawn = at::randn({count}, generator, at::TensorOptions(at::kFloat).device(device));
    flat.narrow(0, begin, count).copy_(drawn.mul_(values.spread).add_(values.mean).to(stored));
  }
}

}  // namespace wf
