#include "pipeline/start.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

namespace wf {

Denoising start(const Job& job, std::int64_t channels, at::Device device) {
  const auto generator = at::detail::createCPUGenerator(static_cast<std::uint64_t>(job.seed.value()));
  const at::Tensor noise =
      at::randn({channels, (job.frames - 1) / 4 + 1, job.height / 8, job.width / 8}, generator, at::kFloat);
  return {noise.to(device), {}, 0};
}

}  // namespace wf
