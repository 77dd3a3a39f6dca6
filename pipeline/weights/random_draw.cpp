#include "pipeline/weights/random_draw.hpp"

#include <ATen/ATen.h>

#include <algorithm>

namespace wf {
namespace {

constexpr std::int64_t piece = 64 << 20;  // elements: few launches, little memory

at::Device drawing_device(const at::Tensor& target) {
  return target.is_pinned() ? at::Device(at::getAccelerator(true).value()) : target.device();
}

}  // namespace

at::Generator seeded_generator(at::Device device, std::uint64_t seed) {
  // The default one is the only kind that is made alike for every device: copied, and given another seed.
  at::Generator generator = at::globalContext().defaultGenerator(device).clone();
  generator.set_current_seed(seed);
  return generator;
}

void draw(const at::Tensor& target, const RandomValues& values, at::ScalarType stored) {
  const at::Device device = drawing_device(target);
  const at::Generator generator = seeded_generator(device, values.seed);
  const at::Tensor flat = target.view(-1);
  for (std::int64_t begin = 0; begin < flat.numel(); begin += piece) {
    const std::int64_t count = std::min(piece, flat.numel() - begin);
    const at::Tensor drawn = at::randn({count}, generator, at::TensorOptions(at::kFloat).device(device));
    flat.narrow(0, begin, count).copy_(drawn.mul_(values.spread).add_(values.mean).to(stored));
  }
}

}  // namespace wf
