#include "pipeline/stages/start.hpp"

#include <ATen/ATen.h>

#include "pipeline/weights/random_draw.hpp"

namespace wf {

Denoising start(const Job& job, std::int64_t channels, NoiseSource source, at::Device device) {
  const at::Device drawn_on = source == NoiseSource::device ? device : at::Device(at::kCPU);
  const at::Tensor noise = at::randn({channels, (job.frames - 1) / 4 + 1, job.height / 8, job.width / 8},
                                     seeded_generator(drawn_on, static_cast<std::uint64_t>(job.seed.value())),
                                     at::device(drawn_on).dtype(at::kFloat));
  return {noise.to(device), {}, 0};
}

}  // namespace wf
