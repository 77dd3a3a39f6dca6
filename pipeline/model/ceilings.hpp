// pipeline/model/ceilings.hpp: the rates that a device reaches in the simplest work of each kind, measured when called.
// A benchmark compares a network with them. Each call takes about a second; nothing else should use the device.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <functional>

#include "pipeline/kernels/convolve.hpp"

namespace wf {

/// n of the n x n matrices that matmul_rate() multiplies: 8192 on a GPU, 1024 on a CPU.
std::int64_t matmul_size(at::Device device);

/// FLOP/s of a product of two random matrices, a multiply-add being two operations. f32 is computed in TF32 where
/// use_tf32() allows it.
double matmul_rate(at::Device device, at::ScalarType dtype);

/// FLOP/s of the same product of matrices in 8 bits with a scale for each row and column, to bf16, as scaled_product()
/// computes it (operand.hpp).
double fp8_matmul_rate(at::Device device);

/// FLOP/s of a 3x3x3 convolution as in the VAE, from `channels` to `channels` channels: of the library's, or of ours
/// with the pass before it.
double convolution_rate(at::Device device, at::ScalarType dtype, std::int64_t channels,
                        Convolving how = Convolving::library);

/// Bytes/s, reads and writes added, of a copy within the device's memory: of 1 GiB on a GPU, 256 MiB on a CPU.
double copy_rate(at::Device device);

/// Bytes/s of a copy of 1 GiB from pinned host memory to a GPU. On a CPU: of a copy of 256 MiB.
double upload_rate(at::Device device);

/// Bytes/s of a copy of 1 GiB from one GPU to another. This process must see both.
double peer_rate(at::Device from, at::Device to);

}  // namespace wf
