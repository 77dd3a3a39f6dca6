// pipeline/profile.hpp: in which operations a piece of work spends its time.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace wf {

/// All calls of one operation with the same shapes.
struct OpTime {
  std::string name;   ///< "linear", "fa3_fwd::fwd", "wf::rms_norm": LibTorch's own without their "aten::"
  std::string shape;  ///< what tells it from others of its name: "15360x5120" (a weight), or its first tensor's
  std::int64_t calls = 0;
  double seconds = 0;
  std::int64_t flops = 0;  ///< of a matrix product, convolution or attention; 0 for others
  std::int64_t bytes = 0;  ///< that the others read and write, each tensor once; 0: a view, or not known
};

struct Profile {
  double seconds = 0;       ///< of the whole work; what the operations do not add up to lies between them
  std::vector<OpTime> ops;  ///< longest first
};

/// Runs `work` once, with a timestamp in the device's queue before and after each operation that it calls. Operations
/// within operations count as part of the outer one. Timestamps cost the host a few microseconds an operation: on a
/// GPU that is kept busy they do not show. Work on other threads or streams is not seen.
Profile profile(at::Device device, const std::function<void()>& work);

}  // namespace wf
