// parallel/shard.hpp: which part of a sequence, and which heads, belong to which rank. Pure arithmetic that includes no
// tensor header, so that CUDA kernels share it.
#pragma once

#include <cstdint>
#include <vector>

/// Marks a function for use on the host and, where nvcc compiles it, in kernels.
#ifdef __CUDACC__
#define WF_HOST_DEVICE __host__ __device__
#else
#define WF_HOST_DEVICE
#endif

namespace wf {

/// The items begin, ..., begin + size - 1.
struct Range {
  std::int64_t begin = 0, size = 0;
  WF_HOST_DEVICE constexpr std::int64_t end() const { return begin + size; }
  bool operator==(const Range&) const = default;
};

/// The share of one part when `total` items are divided, in order, into `parts`: sizes differ by at most one, and the
/// larger shares come first. A share may be empty. 0 <= part < parts.
WF_HOST_DEVICE constexpr Range share_of(std::int64_t total, int parts, int part) {
  const std::int64_t size = total / parts, larger = total % parts;
  const std::int64_t larger_before = part < larger ? part : larger;
  return {part * size + larger_before, size + (part < larger ? 1 : 0)};
}

/// The part whose share_of() holds an item. 0 <= item < total.
WF_HOST_DEVICE constexpr int part_with(std::int64_t total, int parts, std::int64_t item) {
  const std::int64_t size = total / parts, larger = total % parts, in_larger = larger * (size + 1);
  return static_cast<int>(item < in_larger ? item / (size + 1) : larger + (item - in_larger) / size);
}

/// Heads before those of `share`, not counting `own`: where the block of a share begins in a buffer that holds the
/// blocks of all ranks but this one (HeadBlocks::others). `share` is not `own`.
WF_HOST_DEVICE constexpr std::int64_t heads_before(const Range& share, const Range& own) {
  return share.begin - (share.begin > own.begin ? own.size : 0);
}

/// share_of() each part.
std::vector<Range> split(std::int64_t total, int parts);

/// `total` items in three chunks, each about `ratio` times smaller than the one before. Where computing a chunk takes
/// `ratio` times as long as sending it, and it is sent while the next one is computed, only the transfer of the last,
/// small one has to be waited for.
std::vector<Range> shrinking(std::int64_t total, int ratio);

/// The size of each range.
std::vector<std::int64_t> sizes(const std::vector<Range>& ranges);

}  // namespace wf
