// pipeline/ceilings.hpp: what this device reaches in the simplest work of each kind, measured now: the ground for
// saying how far a network is from what is possible here.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <functional>

namespace wf {

/// n of the n x n matrices that matmul_rate() multiplies: 8192; on a CPU 1024.
std::int64_t matmul_size(at::Device device);

/// Operations a second of a product of two matrices of random numbers. f32 in TF32 where the process allows it.
double matmul_rate(at::Device device, at::ScalarType dtype);

/// Operations a second of one 3x3x3 f32 convolution of the VAE's kind, `channels` to as many.
double convolution_rate(at::Device device, std::int64_t channels);

/// Bytes a second, read and written, of a copy within the device's memory: 1 GiB; on a CPU 256 MiB.
double copy_rate(at::Device device);

/// Bytes a second from pinned host memory to the device: 1 GiB; on a CPU those of a copy of 256 MiB.
double upload_rate(at::Device device);

/// Bytes a second of a copy of 1 GiB from one GPU to another that this process sees, while no other copies.
double peer_rate(at::Device from, at::Device to);

}  // namespace wf
