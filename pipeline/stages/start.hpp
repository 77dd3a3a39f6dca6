// pipeline/stages/start.hpp: the initial noise of a clip.
#pragma once

#include "jobs/job.hpp"
#include "pipeline/stages/denoise.hpp"

namespace wf {

/// The state before step 0: standard normal noise [channels, (frames-1)/4+1, height/8, width/8] f32 on `device`, drawn
/// with the job's seed, which must be set. `channels` is the expert's in_dim, 16. NoiseSource::cpu draws the same noise
/// on every machine whose processor has AVX2; without it, last bits differ (2e-7 relative). NoiseSource::device draws
/// what the official code draws on a GPU with as many multiprocessors.
Denoising start(const Job& job, std::int64_t channels, NoiseSource source, at::Device device);

}  // namespace wf
