// pipeline/weights/chunks.hpp: a loop over the chunks of a byte range on all cores.
#pragma once

#include <cstdint>
#include <functional>

namespace wf {

/// Calls work(begin, size) once for every range of `chunk` bytes (the last may be shorter) of 0..bytes, concurrently on
/// this thread and ATen's inter-op pool. Ranges begin roughly in ascending order. Returns when all calls have ended;
/// the first exception cancels the ranges that have not begun and is rethrown here. at::parallel_for is no alternative:
/// it is serial in code compiled without OpenMP, and OpenMP's threads spin while the disk is waited for.
void for_each_chunk(std::uint64_t bytes, std::uint64_t chunk,
                    std::function<void(std::uint64_t begin, std::uint64_t size)> work);

}  // namespace wf
