// pipeline/kernels/convolve_hopper.cu: convolutions of the VAE as matrix products on Hopper's tensor cores. A thread
// block computes one tile of the output after another (convolve_tile.cuh).
#include <algorithm>

#include "pipeline/kernels/convolve_launch.hpp"
#include "pipeline/kernels/convolve_tile.cuh"

namespace wf::hopper {
namespace {

constexpr int kSharedMemory = 227 * 1024 - kAtom;  ///< of a thread block, less what alignment and the barriers take

template <class T, int kChannels, int kBlocks, int kPlanes>
__global__ __launch_bounds__(kThreads, 1) void convolve_kernel(const __grid_constant__ Maps maps, const Work work) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  extern __shared__ char memory[];
  __shared__ Barriers barriers;
  char* const slabs = memory + (kAtom - shared_address(memory) % kAtom) % kAtom;
  char* const stages = slabs + kSlabs * work.slab_bytes;
  if (threadIdx.x == 0) barriers.init();
  __syncthreads();
  const int warpgroup = threadIdx.x / kWarpgroup;
  if (warpgroup == kConsumers) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
    if (threadIdx.x % kWarpgroup != 0) return;
    Producer<T, kChannels, kPlanes> producer{maps, work, slabs, stages, barriers};
    for (int index = blockIdx.x; index < work.tiles; index += gridDim.x)
      producer.copy_tile(tile_at<kChannels>(index, work));
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
    const Reader reader{
        barriers,    shared_address(slabs), shared_address(stages), work.slab_bytes, kChannels * kTileRow,
        work.stages, threadIdx.x % 32 == 0};
    consume<T, kChannels, kBlocks, kPlanes>(work, reader, warpgroup);
  }
#endif
}

using Encode = CUresult (*)(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*, const cuuint64_t*, const cuuint64_t*,
                            const cuuint32_t*, const cuuint32_t*, CUtensorMapInterleave, CUtensorMapSwizzle,
                            CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

/// The driver's function, found at run time so that nothing is linked with the driver.
Encode encoder() {
  static const Encode encode = [] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult found{};
    if (cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found) !=
        cudaSuccess)
      return Encode();
    return found == cudaDriverEntryPointSuccess ? reinterpret_cast<Encode>(function) : Encode();
  }();
  return encode;
}

/// A tensor of `rank` dimensions, the innermost first, and the box that is copied of it. It is dense, but for the
/// outermost dimension, whose stride is given in values.
template <class T, int rank>
bool describe(CUtensorMap& map, const void* data, const std::int64_t (&sizes)[rank], std::int64_t outer_stride,
              const int (&box)[rank]) {
  cuuint64_t lengths[rank], strides[rank];
  cuuint32_t boxes[rank], steps[rank];
  cuuint64_t stride = sizeof(T);
  for (int i = 0; i < rank; ++i) {
    lengths[i] = static_cast<cuuint64_t>(sizes[i]);
    strides[i] = stride *= lengths[i];
    boxes[i] = static_cast<cuuint32_t>(box[i]);
    steps[i] = 1;
  }
  strides[rank - 2] = static_cast<cuuint64_t>(outer_stride) * sizeof(T);
  constexpr auto type = sizeof(T) == 4 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT32 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  return encoder()(&map, type, rank, const_cast<void*>(data), lengths, strides, boxes, steps,
                   CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                   CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
}

template <class T, int kChannels, int kPlanes>
bool describe(Maps& maps, const Convolution& c, const Work& work) {
  constexpr int chunk = kTileRow / sizeof(T);
  const int height = work.tile_rows + work.kernel - 1, depth = work.tile_frames + work.kernel_frames - 1;
  const std::int64_t channels = kPlanes * c.channels_in, rows = c.rows + c.kernel - 1;
  const std::int64_t taps = c.kernel_frames * c.kernel * c.kernel;
  return describe<T, 4>(maps.input, c.input, {channels, c.columns, rows, c.frames + c.kernel_frames - 1},
                        channels * c.columns * rows, {chunk, kColumns, height, depth}) &&
         describe<T, 3>(maps.weight, c.weight, {c.channels_in, taps, kPlanes * c.channels_out}, c.channels_in * taps,
                        {chunk, 1, kChannels}) &&
         (!c.residual ||
          describe<T, 4>(maps.residual, c.residual, {c.channels_out, c.columns, c.rows, c.frames},
                         c.channels_out * c.columns * c.all_rows, {chunk, kColumns, work.tile_rows, work.tile_frames}));
}

int tiles_of(std::int64_t size, int tile) { return static_cast<int>((size + tile - 1) / tile); }

template <class T, int kChannels, int kBlocks, int kPlanes>
cudaError_t launch(const Convolution& c, int tile_frames, cudaStream_t stream) {
  constexpr int blocks = kConsumers * kBlocks;
  Work work{};
  work.channels_in = static_cast<int>(c.channels_in), work.channels_out = static_cast<int>(c.channels_out);
  work.frames = static_cast<int>(c.frames), work.rows = static_cast<int>(c.rows);
  work.columns = static_cast<int>(c.columns);
  work.kernel_frames = static_cast<int>(c.kernel_frames), work.kernel = static_cast<int>(c.kernel);
  work.all_rows = static_cast<int>(c.all_rows);
  work.frames_each = static_cast<int>(c.frames_each), work.channels_each = work.channels_out / work.frames_each;
  work.bias = c.bias, work.adds = c.residual != nullptr, work.output = c.output;
  work.tile_frames = tile_frames, work.tile_rows = blocks / tile_frames * 8;
  work.channel_tiles = tiles_of(c.channels_out, kChannels), work.column_tiles = tiles_of(c.columns, kColumns);
  work.row_tiles = tiles_of(c.rows, work.tile_rows);
  work.tiles = work.channel_tiles * work.column_tiles * work.row_tiles * tiles_of(c.frames, tile_frames);
  const int height = work.tile_rows + work.kernel - 1, depth = tile_frames + work.kernel_frames - 1;
  work.slab_bytes = depth * height * kAtom;
  work.stages = std::min(kMostStages,
                         (kSharedMemory - kSlabs * work.slab_bytes - int{sizeof(Barriers)}) / (kChannels * kTileRow));
  if (work.stages < 2 * kPlanes) return cudaErrorInvalidConfiguration;

  Maps maps{};
  if (!describe<T, kChannels, kPlanes>(maps, c, work)) return cudaErrorInvalidValue;

  const auto kernel = convolve_kernel<T, kChannels, kBlocks, kPlanes>;
  const int memory = kAtom + kSlabs * work.slab_bytes + work.stages * kChannels * kTileRow;
  int device = 0, processors = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
  if (const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, memory))
    return error;
  kernel<<<std::min(work.tiles, processors), kThreads, memory, stream>>>(maps, work);
  return cudaGetLastError();
}

/// Frames of a tile: 4 where there are as many, so that few positions are computed in vain.
int frames_of_tile(const Convolution& c) { return c.frames >= 3 ? 4 : c.frames == 2 ? 2 : 1; }

template <class T>
cudaError_t convolve_once(const Convolution& c, cudaStream_t stream) {
  const int frames = frames_of_tile(c);
  if (c.channels_out <= 8)
    return frames == 1 ? launch<T, 8, 1, 1>(c, 1, stream) : launch<T, 8, 2, 1>(c, frames, stream);
  if (c.channels_out % 192 != 0)
    return frames == 1 ? launch<T, 96, 1, 1>(c, 1, stream) : launch<T, 96, 2, 1>(c, frames, stream);
  return frames == 1 ? launch<T, 192, 1, 1>(c, 1, stream) : launch<T, 192, 2, 1>(c, frames, stream);
}

cudaError_t convolve_split(const Convolution& c, cudaStream_t stream) {
  const int frames = frames_of_tile(c);
  if (c.channels_out <= 8)
    return frames == 1 ? launch<float, 8, 1, 2>(c, 1, stream) : launch<float, 8, 2, 2>(c, frames, stream);
  return frames == 1 ? launch<float, 96, 1, 2>(c, 1, stream) : launch<float, 96, 2, 2>(c, frames, stream);
}

}  // namespace

bool convolution_supported() {
  int device = 0, major = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return false;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  cudaFuncAttributes attributes{};
  return major == 9 && encoder() &&
         cudaFuncGetAttributes(&attributes, convolve_kernel<float, 96, 2, 2>) == cudaSuccess &&
         attributes.binaryVersion == 90;
}

cudaError_t convolve(const Convolution& convolution, cudaStream_t stream) {
  switch (convolution.arithmetic) {
    case Arithmetic::bf16:
      return convolve_once<__nv_bfloat16>(convolution, stream);
    case Arithmetic::tf32:
      return convolve_once<float>(convolution, stream);
    case Arithmetic::split_f32:
      return convolve_split(convolution, stream);
  }
  return cudaErrorInvalidValue;
}

}  // namespace wf::hopper
