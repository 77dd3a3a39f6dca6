// pipeline/weights/slices.hpp: work on a stretch of bytes by all cores.
#pragma once

#include <cstdint>
#include <functional>

namespace wf {

/// Calls work(begin, size) for every slice of so many bytes, on this thread and ATen's pool for whole tasks. (Not
/// at::parallel_for: it is serial in code that is not compiled for OpenMP, and OpenMP's threads spin while the disk is
/// waited for.) The first exception ends it and is thrown.
void over_slices(std::uint64_t bytes, std::uint64_t slice,
                 std::function<void(std::uint64_t begin, std::uint64_t size)> work);

}  // namespace wf
