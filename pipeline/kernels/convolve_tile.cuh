// pipeline/kernels/convolve_tile.cuh: how a thread block of convolve_hopper.cu computes a tile of the output.
//
// A tile is some frames x rows x 8 columns, by 8 to 192 channels. Its inputs are boxes of the features with 128 bytes
// of channels (a slab), which reach over its edges by the kernel's rows and frames: so a slab serves 9 of the 27
// positions (taps) of a 3x3x3 kernel, by the address at which a product begins to read. A shift by columns would break
// the swizzle of shared memory, so there is a slab for each of the kernel's columns. One warp copies slabs and the
// taps' weights ahead of two warpgroups that multiply.
//
// Tensor cores lose low bits of long sums. Where results must be as exact as f32 (split_f32), the sums of each tap are
// added in registers.
#pragma once

#include "pipeline/kernels/wgmma.cuh"

// For architectures other than Hopper's the kernel is empty, and what it calls is unused.
#pragma nv_diag_suppress declared_but_not_referenced

namespace wf::hopper {
namespace {

constexpr int kColumns = 8;  ///< of a tile
constexpr int kConsumers = 2;
constexpr int kThreads = (1 + kConsumers) * kWarpgroup;
constexpr int kSlabs = 2;
constexpr int kMostStages = 8;

/// A convolution, and how it is divided.
struct Work {
  int channels_in, channels_out, frames, rows, columns;
  int kernel_frames, kernel;
  int all_rows, frames_each, channels_each;
  const float* bias;
  bool adds;  ///< the residual
  void* output;
  int tile_frames, tile_rows;
  int channel_tiles, column_tiles, row_tiles, tiles;
  int slab_bytes, stages;
};

struct Tile {
  int channel, column, row, frame;
};

template <int kChannels>
__device__ Tile tile_at(int index, const Work& work) {
  Tile tile;
  tile.channel = index % work.channel_tiles * kChannels;
  index /= work.channel_tiles;
  tile.column = index % work.column_tiles * kColumns;
  index /= work.column_tiles;
  tile.row = index % work.row_tiles * work.tile_rows;
  tile.frame = index / work.row_tiles * work.tile_frames;
  return tile;
}

struct Barriers {
  std::uint64_t slab_full[kSlabs], slab_empty[kSlabs], stage_full[kMostStages], stage_empty[kMostStages];

  __device__ void init() {
    constexpr int readers = kConsumers * kWarpgroup / 32;
    for (int i = 0; i < kSlabs; ++i) barrier_init(&slab_full[i], 1), barrier_init(&slab_empty[i], readers);
    for (int i = 0; i < kMostStages; ++i) barrier_init(&stage_full[i], 1), barrier_init(&stage_empty[i], readers);
    asm volatile("fence.proxy.async;" ::: "memory");
  }
};

/// A place in a ring of buffers, and the parity of the round.
struct Place {
  int index = 0;
  std::uint32_t parity = 0;
  __device__ void advance(int size) {
    if (++index == size) index = 0, parity ^= 1;
  }
};

/// What tiles are copied from.
struct Maps {
  CUtensorMap input, weight, residual;
};

/// Copies what the consumers read, in their order.
template <class T, int kChannels, int kPlanes>
struct Producer {
  static constexpr int kChunk = kTileRow / sizeof(T), kStageBytes = kChannels * kTileRow;
  const Maps& maps;
  const Work& work;
  char *slabs, *stages;
  Barriers& barriers;
  Place slab = {}, stage = {};

  __device__ void copy_slab(const CUtensorMap& map, int bytes, int channel, int column, int row, int frame) {
    barrier_wait(&barriers.slab_empty[slab.index], slab.parity ^ 1);
    barrier_arrive_expecting(&barriers.slab_full[slab.index], bytes);
    copy_box(slabs + slab.index * work.slab_bytes, map, &barriers.slab_full[slab.index], channel, column, row, frame);
    slab.advance(kSlabs);
  }
  __device__ void copy_stage(int channel_in, int tap, int channel_out) {
    barrier_wait(&barriers.stage_empty[stage.index], stage.parity ^ 1);
    barrier_arrive_expecting(&barriers.stage_full[stage.index], kStageBytes);
    copy_box(stages + stage.index * kStageBytes, maps.weight, &barriers.stage_full[stage.index], channel_in, tap,
             channel_out);
    stage.advance(work.stages);
  }
  __device__ void copy_tile(const Tile& tile) {
    for (int channel = 0; channel < work.channels_in; channel += kChunk)
      for (int dc = 0; dc < work.kernel; ++dc)
        for (int plane = 0; plane < kPlanes; ++plane) {
          copy_slab(maps.input, work.slab_bytes, plane * work.channels_in + channel, tile.column + dc - work.kernel / 2,
                    tile.row, tile.frame);
          for (int tap = dc; tap < work.kernel_frames * work.kernel * work.kernel; tap += work.kernel)
            for (int part = 0; part < kPlanes - plane; ++part)
              copy_stage(channel, tap, tile.channel + part * work.channels_out);
        }
    if (!work.adds) return;
    for (int channel = 0; channel < kChannels; channel += kChunk)
      copy_slab(maps.residual, work.tile_frames * work.tile_rows * kAtom, tile.channel + channel, tile.column, tile.row,
                tile.frame);
  }
};

/// Two values from an address in shared memory.
template <class T>
__device__ float2 load_shared_pair(std::uint32_t address) {
  if constexpr (sizeof(T) == 4) {
    float2 pair;
    asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(pair.x), "=f"(pair.y) : "r"(address) : "memory");
    return pair;
  } else {
    std::uint32_t bits;
    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(bits) : "r"(address) : "memory");
    return __bfloat1622float2(reinterpret_cast<const __nv_bfloat162&>(bits));
  }
}
__device__ inline void store_pair(float* to, float a, float b) { *reinterpret_cast<float2*>(to) = make_float2(a, b); }
__device__ inline void store_pair(__nv_bfloat16* to, float a, float b) {
  *reinterpret_cast<__nv_bfloat162*>(to) = __floats2bfloat162_rn(a, b);
}

/// Where a thread has its values of a block of 64 positions: eight rows of eight columns of one frame. It has two rows.
struct Lines {
  std::int64_t at[2];  ///< of a row's first channel in the output, in values; -1: it is outside
  int channel;         ///< the first one; the others are 8 apart, and each has its neighbour

  __device__ Lines(int block, const Tile& tile, const Work& work) {
    const int thread = threadIdx.x % kWarpgroup, warp = thread / 32, lane = thread % 32;
    const int groups = work.tile_rows / 8, frame = tile.frame + block / groups, column = tile.column + lane / 4;
    channel = tile.channel + 2 * (lane % 4);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = tile.row + block % groups * 8 + 2 * warp + half;
      const bool inside = frame < work.frames && column < work.columns && row < work.rows;
      const std::int64_t line = static_cast<std::int64_t>(frame) * work.frames_each * work.all_rows + row;
      at[half] = inside ? (line * work.columns + column) * work.channels_each : -1;
    }
  }
};

/// Whether all channels of a tile are there, in pairs that lie side by side in memory.
template <int kChannels>
__device__ bool is_whole(const Tile& tile, const Work& work) {
  return work.frames_each == 1 && work.channels_out % 2 == 0 && tile.channel + kChannels <= work.channels_out;
}

/// How far a channel is from the first one of its position; with more than one frame each, it may be in another frame.
__device__ inline std::int64_t offset_of(int channel, const Work& work) {
  const int part = channel / work.channels_each;
  return static_cast<std::int64_t>(part) * (static_cast<std::int64_t>(work.all_rows) * work.columns - 1) *
             work.channels_each +
         channel;
}

/// What the products of a block are added to: the bias.
template <int count>
__device__ void begin_block(float (&sums)[count], const Tile& tile, const Work& work) {
#pragma unroll
  for (int j = 0; j < count / 4; ++j) {
    const int channel = tile.channel + 8 * j + 2 * static_cast<int>(threadIdx.x % 4);
    sums[4 * j] = sums[4 * j + 2] = channel < work.channels_out ? work.bias[channel] : 0;
    sums[4 * j + 1] = sums[4 * j + 3] = channel + 1 < work.channels_out ? work.bias[channel + 1] : 0;
  }
}

/// Adds 128 bytes of channels of the residual, the `piece`th of the tile, which lie in a slab like features.
template <class T, int count>
__device__ void add_residual(float (&sums)[count], int block, int piece, std::uint32_t slab, const Work& work) {
  constexpr int chunk = kTileRow / sizeof(T), pairs = chunk / 8;  // of the piece
  const int thread = threadIdx.x % kWarpgroup, warp = thread / 32, lane = thread % 32, column = lane / 4;
  const int groups = work.tile_rows / 8;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = block / groups * work.tile_rows + block % groups * 8 + 2 * warp + half;
    const std::uint32_t line = slab + (row * kColumns + column) * kTileRow;
#pragma unroll
    for (int j = 0; j < count / 4; ++j) {
      if (j / pairs != piece) continue;
      const int byte = (8 * (j % pairs) + 2 * (lane % 4)) * static_cast<int>(sizeof(T));
      const float2 more = load_shared_pair<T>(line + (((byte / 16) ^ column) * 16) + byte % 16);
      sums[4 * j + 2 * half] += more.x, sums[4 * j + 2 * half + 1] += more.y;
    }
  }
}

template <class T, int count>
__device__ void write_block(const float (&sums)[count], int block, const Tile& tile, const Work& work) {
  const Lines lines(block, tile, work);
  const bool whole = is_whole<2 * count>(tile, work);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    if (lines.at[half] < 0) continue;
    T* const to = static_cast<T*>(work.output) + lines.at[half];
    if (whole) {
#pragma unroll
      for (int j = 0; j < count / 4; ++j)
        store_pair(to + lines.channel + 8 * j, sums[4 * j + 2 * half], sums[4 * j + 2 * half + 1]);
    } else {
#pragma unroll
      for (int j = 0; j < count / 4; ++j)
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int channel = lines.channel + 8 * j + i;
          if (channel < work.channels_out) to[offset_of(channel, work)] = static_cast<T>(sums[4 * j + 2 * half + i]);
        }
    }
  }
}

/// A consumer's way through the rings: what it reads next, and what it has read but not given back.
struct Reader {
  Barriers& barriers;
  std::uint32_t slabs, stages;  ///< addresses
  int slab_bytes, stage_bytes, stage_count;
  bool first_lane;
  Place slab = {}, stage = {}, used_slab = {}, used_stage = {};

  __device__ std::uint32_t wait_slab() {
    barrier_wait(&barriers.slab_full[slab.index], slab.parity);
    return slabs + slab.index * slab_bytes;
  }
  __device__ std::uint32_t wait_stage() {
    barrier_wait(&barriers.stage_full[stage.index], stage.parity);
    const std::uint32_t address = stages + stage.index * stage_bytes;
    stage.advance(stage_count);
    return address;
  }
  /// Gives back all stages before `to`, and all slabs before the current one.
  __device__ void give_back(const Place& to) {
    for (; used_stage.index != to.index; used_stage.advance(stage_count))
      if (first_lane) barrier_arrive(&barriers.stage_empty[used_stage.index]);
    for (; used_slab.index != slab.index; used_slab.advance(kSlabs))
      if (first_lane) barrier_arrive(&barriers.slab_empty[used_slab.index]);
  }
};

/// The sums of a tile: those of kBlocks blocks of 64 positions for each consumer.
template <class T, int kChannels, int kBlocks, int kPlanes>
struct Sums {
  static constexpr int kCount = kChannels / 2;
  float total[kBlocks][kCount];
  float tap[kPlanes > 1 ? kBlocks : 1][kCount];  ///< split numbers: of the newest tap, before they are added

  __device__ void begin(const Tile& tile, const Work& work) {
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) {
      begin_block(total[block], tile, work);
      if constexpr (kPlanes > 1) {
#pragma unroll
        for (int i = 0; i < kCount; ++i) tap[block][i] = 0;
      }
    }
  }
  __device__ void add(int block) {
    settle(tap[block]);
#pragma unroll
    for (int i = 0; i < kCount; ++i) total[block][i] += tap[block][i];
  }
};

/// Where each block of a consumer begins in a slab.
template <int kBlocks>
struct Starts {
  int at[kBlocks];
  __device__ Starts(const Work& work, int consumer) {
    const int height = work.tile_rows + work.kernel - 1, groups = work.tile_rows / 8;
#pragma unroll
    for (int b = 0; b < kBlocks; ++b) {
      const int block = consumer * kBlocks + b;
      at[b] = (block / groups * height + block % groups * 8) * kAtom;
    }
  }
};

/// Adds the products of one tap: `from` is where its positions begin in the slab.
template <class T, int kChannels, int kBlocks>
__device__ void multiply_tap(Sums<T, kChannels, kBlocks, 1>& sums, const Starts<kBlocks>& starts, std::uint32_t from,
                             int steps, int, Reader& reader) {
  const Place before = reader.stage;
  const std::uint64_t b = operand_at(reader.wait_stage());
  products_begin();
  for (int k = 0; k < steps; ++k)
#pragma unroll
    for (int block = 0; block < kBlocks; ++block)
      product(sums.total[block], operand_at(from + starts.at[block]) + k * (kStep >> 4), b + k * (kStep >> 4), true,
              T());
  products_commit();
  products_wait<1>();  // those of the tap before
  reader.give_back(before);
}

/// The same of split numbers, with `parts` parts of the weights. While a block's sums are computed, those of the block
/// before are added to their totals.
template <class T, int kChannels, int kBlocks>
__device__ void multiply_tap(Sums<T, kChannels, kBlocks, 2>& sums, const Starts<kBlocks>& starts, std::uint32_t from,
                             int steps, int parts, Reader& reader) {
  static_assert(kBlocks <= 2);
  const Place before = reader.stage;
  const std::uint64_t near = operand_at(reader.wait_stage()), rest = parts > 1 ? operand_at(reader.wait_stage()) : 0;
#pragma unroll
  for (int block = 0; block < kBlocks; ++block) {
    const std::uint64_t a = operand_at(from + starts.at[block]);
    products_begin();
    for (int k = 0; k < steps; ++k) product(sums.tap[block], a + k * (kStep >> 4), near + k * (kStep >> 4), k > 0, T());
    if (parts > 1)
      for (int k = 0; k < steps; ++k)
        product(sums.tap[block], a + k * (kStep >> 4), rest + k * (kStep >> 4), true, T());
    products_commit();
    products_wait<kBlocks - 1>();
    sums.add((block + kBlocks - 1) % kBlocks);
    if (block == 0) reader.give_back(before);
  }
}

/// Adds the residual of a tile, a piece at a time.
template <class T, int kBlocks, int count>
__device__ void add_residuals(float (&sums)[kBlocks][count], const Work& work, int consumer, Reader& reader) {
  constexpr int pieces = (2 * count * int{sizeof(T)} + kTileRow - 1) / kTileRow;
#pragma unroll
  for (int piece = 0; piece < pieces; ++piece) {
    const std::uint32_t slab = reader.wait_slab();
#pragma unroll
    for (int block = 0; block < kBlocks; ++block)
      add_residual<T>(sums[block], consumer * kBlocks + block, piece, slab, work);
    reader.slab.advance(kSlabs);
    __syncwarp();  // the first lane gives back what all of them have read
    reader.give_back(reader.stage);
  }
}

/// Multiplies what the producer copies, and writes the tiles.
template <class T, int kChannels, int kBlocks, int kPlanes>
__device__ void consume(const Work& work, Reader reader, int consumer) {
  constexpr int chunk = kTileRow / sizeof(T), step = kStep / sizeof(T);
  const int height = work.tile_rows + work.kernel - 1;
  const Starts<kBlocks> starts(work, consumer);
  Sums<T, kChannels, kBlocks, kPlanes> sums;
  for (int index = blockIdx.x; index < work.tiles; index += gridDim.x) {
    const Tile tile = tile_at<kChannels>(index, work);
    sums.begin(tile, work);
    for (int channel = 0; channel < work.channels_in; channel += chunk) {
      const int steps = min(chunk, work.channels_in - channel) / step;
      for (int dc = 0; dc < work.kernel; ++dc)
        for (int plane = 0; plane < kPlanes; ++plane) {
          const std::uint32_t slab = reader.wait_slab();
          for (int dt = 0; dt < work.kernel_frames; ++dt)
            for (int dr = 0; dr < work.kernel; ++dr)
              multiply_tap(sums, starts, slab + (dt * height + dr) * kAtom, steps, kPlanes - plane, reader);
          reader.slab.advance(kSlabs);
        }
    }
    products_wait<0>();
    if constexpr (kPlanes > 1 && kBlocks > 1) sums.add(kBlocks - 1);
    reader.give_back(reader.stage);
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) settle(sums.total[block]);
    if (work.adds) add_residuals<T>(sums.total, work, consumer, reader);
#pragma unroll
    for (int block = 0; block < kBlocks; ++block)
      write_block<T>(sums.total[block], consumer * kBlocks + block, tile, work);
  }
}

}  // namespace
}  // namespace wf::hopper
