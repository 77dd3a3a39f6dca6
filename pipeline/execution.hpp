// pipeline/execution.hpp: how clips are computed. One value for a whole run, passed down, never global.
#pragma once

#include <c10/core/Device.h>

#include "parallel/attention.hpp"
#include "pipeline/types.hpp"

namespace wf {

struct Execution {
  Precision precision = Precision::reference;
  at::Device device = at::kCPU;
  GuidanceMode guidance = GuidanceMode::two;
  Attention attention;  ///< self-attention of the experts; empty: choose_attention(device)
};

/// The fastest attention that this build has for a device.
Attention choose_attention(at::Device device);

}  // namespace wf
