// tests/device.hpp: the device of this test process: the CPU, or with WF_TEST_DEVICE=cuda an NVIDIA GPU (the first one,
// or under mpiexec the one with the rank's local number). Numeric tests are written once and run on both: weights and
// inputs are on test::device(), and results are compared on the CPU. Suites that concern the CPU alone have Cpu in
// their names, and a run on the GPU leaves them out (tests/gpu).
#pragma once

#include <ATen/ATen.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace wf::test {

/// The device under test. TF32 is off, as in `reference`. Throws when WF_TEST_DEVICE asks for a GPU and there is none:
/// a test that did not run must not look like one that passed.
inline at::Device device() {
  static const at::Device chosen = [] {
    const char* const set = std::getenv("WF_TEST_DEVICE");
    const std::string asked = set ? set : "cpu";
    if (asked == "cpu") return at::Device(at::kCPU);
    if (asked != "cuda") throw std::runtime_error("WF_TEST_DEVICE is cpu or cuda, not '" + asked + "'");
    if (!at::globalContext().hasCUDA()) throw std::runtime_error("WF_TEST_DEVICE=cuda: this build sees no NVIDIA GPU");
    at::globalContext().setAllowTF32CuBLAS(false);
    at::globalContext().setAllowTF32CuDNN(false);
    const char* const rank = std::getenv("OMPI_COMM_WORLD_LOCAL_RANK");
    return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(rank ? std::stoi(rank) : 0));
  }();
  return chosen;
}

inline at::Tensor on_device(const at::Tensor& tensor) { return tensor.to(device()); }

/// Relative L2 distance that one network's output in f32 may have from the official one: rounding alone, summed in
/// another order.
inline constexpr double network_tolerance = 2e-5;

}  // namespace wf::test
