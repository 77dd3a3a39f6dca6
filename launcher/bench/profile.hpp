// launcher/bench/profile.hpp: how the time of a piece of work divides among the operations that it calls.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace wf {

/// All calls of one operation with the same shapes.
struct OpTime {
  std::string name;   ///< "linear", "fa3_fwd::fwd", "wf::rms_norm": without the "aten::" of LibTorch's own.
  std::string shape;  ///< Shape of the weight, "15360x5120", or else of the first tensor.
  std::int64_t calls = 0;
  double seconds = 0;      ///< Time of all calls on the device.
  std::int64_t flops = 0;  ///< Operations of matrix products, convolutions and attention; 0 for others.
  std::int64_t bytes = 0;  ///< Bytes that other operations read and write, each tensor once; 0: a view, or unknown.
};

/// Where the time of a piece of work went.
struct Profile {
  double seconds = 0;       ///< Time of all the work; what the operations do not add up to lies between them.
  std::vector<OpTime> ops;  ///< Longest first.
};

/// Runs `work` once, with a timestamp on the device's current stream before and after each operation that it calls.
/// Operations within operations count as part of the outer one. Timestamps cost the host a few microseconds an
/// operation, which does not show on a GPU that is kept busy. Work on other threads or streams is not seen. One call at
/// a time per thread.
Profile profile(at::Device device, const std::function<void()>& work);

}  // namespace wf
