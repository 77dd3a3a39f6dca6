#include "pipeline/weights/random_draw.hpp"

#include <ATen/ATen.h>

#include <algorithm>

namespace wf {
namespace {

constexpr std::int64_t chunk = 64 << 20;  // in elements: few kernel launches, little memory

at::Device drawing_device(const at::Tensor& target) {
  return target.is_pinned() ? at::Device(at::getAccelerator(true).value()) : target.device();
}

}  // namespace

at::Generator seeded_generator(at::Device device, std::uint64_t seed) {
  // Cloning the default generator is the one way to make a generator that works for every kind of device.
  at::Generator generator = at::globalContext().defaultGenerator(device).clone();
  generator.set_current_seed(seed);
  return generator;
}

void draw(const at::Tensor& target, const RandomValues& values, at::ScalarType stored) {
  const at::Device device = drawing_device(target);
  const at::Generator generator = seeded_generator(device, values.seed);
  const at::Tensor flat = target.view(-1);
  for (std::int64_t begin = 0; begin < flat.numel(); begin += chunk) {
    const std::int64_t count = std::min(chunk, flat.numel() - begin);
    const at::Tensor drawn = at::randn({count}, generator, at::TensorOptions(at::kFloat).device(device));
    flat.narrow(0, begin, count).copy_(drawn.mul_(values.spread).add_(values.mean).to(stored));
  }
}

}  // namespace wf
