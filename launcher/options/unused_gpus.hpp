// launcher/options/unused_gpus.hpp: GPUs that a run leaves unused.
#pragma once

#include <string>
#include <vector>

namespace wf {

/// What to tell a user whose run computes on the CPU, for nothing else was asked for, although the driver lists `gpus`;
/// "" where it lists none. has_cuda: whether this build has CUDA.
std::string unused_gpus_text(const std::vector<std::string>& gpus, bool has_cuda);

}  // namespace wf
