// pipeline/start.hpp: the noise that a clip begins with.
#pragma once

#include "jobs/job.hpp"
#include "pipeline/denoise.hpp"

namespace wf {

/// Standard normal noise [16, (frames-1)/4+1, height/8, width/8] f32 from a CPU generator with the job's seed: the same
/// clip on every machine. `channels` is the expert's in_dim. The result lies on `device`.
Denoising start(const Job& job, std::int64_t channels, at::Device device);

}  // namespace wf
