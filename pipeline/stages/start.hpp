// pipeline/start.hpp: the noise that a clip begins with.
#pragma once

#include "jobs/job.hpp"
#include "pipeline/denoise.hpp"

namespace wf {

/// Standard normal noise [16, (frames-1)/4+1, height/8, width/8] f32 with the job's seed, on `device`. From a CPU
/// generator: the same clip on every machine. From the device's: what the official code draws on a GPU with as many
/// multiprocessors. `channels` is the expert's in_dim.
Denoising start(const Job& job, std::int64_t channels, NoiseSource source, at::Device device);

}  // namespace wf
