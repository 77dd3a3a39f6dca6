// launcher/planner/advice.hpp: what would help where no placement fits.
#pragma once

#include <string>

#include "launcher/planner/planner.hpp"

namespace wf {

/// What would make the nearest placement fit, or lack less: larger GPUs, then the flags that act on what the fullest
/// rank needs in its fullest stage, then a smaller clip. "GPUs of 13.7 GiB (--gpu-memory 14), --vae-precision bf16, or
/// a smaller --size".
std::string what_would_fit(const Considered& nearest, const PlanRequest& request);

}  // namespace wf
