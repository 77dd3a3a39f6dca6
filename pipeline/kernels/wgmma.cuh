// pipeline/kernels/wgmma.cuh: Hopper's warpgroup matrix products, its bulk copies of tensor tiles, and the barriers
// that join the two, as functions. Source of the formats: the PTX ISA, "Asynchronous Warpgroup Level Matrix
// Instructions".
#pragma once

#include <cuda.h>
#include <cuda_bf16.h>

#include <cstdint>

namespace wf::hopper {

constexpr int kWarpgroup = 128;      ///< threads that issue one product together
constexpr int kTileRow = 128;        ///< bytes of a row of an operand in shared memory, which are swizzled
constexpr int kAtom = 8 * kTileRow;  ///< eight rows, after which the swizzle repeats: tiles begin at multiples of it
constexpr int kStep = 32;            ///< bytes of each row that one product takes: 8 values of f32, 16 of bf16

/// The address of shared memory in the form that the instructions take.
__device__ inline std::uint32_t shared_address(const void* pointer) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(pointer));
}

/// A barrier in shared memory. A phase ends when all arrivals and all announced bytes have come.
__device__ inline void barrier_init(std::uint64_t* barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals));
}
__device__ inline void barrier_arrive(std::uint64_t* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
__device__ inline void barrier_arrive_expecting(std::uint64_t* barrier, std::uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
               : "memory");
}
/// Waits until the phase of this parity has ended; that before the first one counts as ended with parity 1.
__device__ inline void barrier_wait(std::uint64_t* barrier, std::uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred ended;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 ended, [%0], %1;\n"
      "@!ended bra again;\n"
      "}\n" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
}

/// Copies a box of a tensor to shared memory, with zeros for what lies outside the tensor; the barrier gets its bytes.
/// Coordinates begin with the innermost dimension.
__device__ inline void copy_box(void* to, const CUtensorMap& from, std::uint64_t* barrier, int c0, int c1, int c2,
                                int c3) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], "
      "[%2];" ::"r"(shared_address(to)),
      "l"(&from), "r"(shared_address(barrier)), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
      : "memory");
}
__device__ inline void copy_box(void* to, const CUtensorMap& from, std::uint64_t* barrier, int c0, int c1, int c2) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];" ::
          "r"(shared_address(to)),
      "l"(&from), "r"(shared_address(barrier)), "r"(c0), "r"(c1), "r"(c2)
      : "memory");
}

/// Describes an operand of rows of kTileRow bytes with a 128-byte swizzle, whose groups of eight rows follow each
/// other.
__device__ inline std::uint64_t operand_at(std::uint32_t address) {
  constexpr std::uint64_t swizzle_128 = 1, group = kAtom >> 4, unused = 1;
  return swizzle_128 << 62 | group << 32 | unused << 16 | (address & 0x3ffff) >> 4;
}

__device__ inline void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ inline void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/// Waits until at most `pending` of the committed groups run.
template <int pending>
__device__ inline void products_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
}

/// Keeps the compiler from reading sums before a wait that comes earlier.
template <int count>
__device__ inline void settle(float (&sums)[count]) {
#pragma unroll
  for (int i = 0; i < count; ++i) asm volatile("" : "+f"(sums[i])::"memory");
}

#define WF_SUMS_4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define WF_SUMS_16(i) WF_SUMS_4(i), WF_SUMS_4(i + 4), WF_SUMS_4(i + 8), WF_SUMS_4(i + 12)
#define WF_SUMS_48(i) WF_SUMS_16(i), WF_SUMS_16(i + 16), WF_SUMS_16(i + 32)
#define WF_NAMES_4 "%0, %1, %2, %3"
#define WF_NAMES_48                                                                                                \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, " \
  "%24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, " \
  "%46, %47"
#define WF_NAMES_96                                                                                                \
  WF_NAMES_48                                                                                                      \
  ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, "    \
  "%69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, " \
  "%91, %92, %93, %94, %95"
// SHAPE: of the instruction; KEEPS: the number of the operand after the sums; the last one is for bf16 operands, which
// could be transposed.
#define WF_PRODUCT(SHAPE, TYPES, NAMES, A, B, KEEPS, LAST, ...)                                                   \
  asm volatile("{\n.reg .pred keeps;\nsetp.ne.b32 keeps, " KEEPS                                                  \
               ", 0;\n"                                                                                           \
               "wgmma.mma_async.sync.aligned." SHAPE ".f32." TYPES " {" NAMES "}, " A ", " B ", keeps, 1, 1" LAST \
               ";\n}\n"                                                                                           \
               : __VA_ARGS__                                                                                      \
               : "l"(a), "l"(b), "r"(static_cast<int>(keep)))

/// d = a b^T, or, if `keep`, d + a b^T: a has 64 rows, b `2 * count` rows, and both kStep bytes of columns: f32
/// numbers, of which TF32 takes the upper bits. A thread has of d the rows 16 (its warp) + lane / 4 and 8 more, in d[4
/// j] and d[4 j + 2], columns 8 j + 2 (lane % 4), and in the odd ones the column after it.
__device__ inline void product(float (&d)[4], std::uint64_t a, std::uint64_t b, bool keep, float) {
  WF_PRODUCT("m64n8k8", "tf32.tf32", WF_NAMES_4, "%4", "%5", "%6", "", WF_SUMS_4(0));
}
__device__ inline void product(float (&d)[48], std::uint64_t a, std::uint64_t b, bool keep, float) {
  WF_PRODUCT("m64n96k8", "tf32.tf32", WF_NAMES_48, "%48", "%49", "%50", "", WF_SUMS_48(0));
}
__device__ inline void product(float (&d)[96], std::uint64_t a, std::uint64_t b, bool keep, float) {
  WF_PRODUCT("m64n192k8", "tf32.tf32", WF_NAMES_96, "%96", "%97", "%98", "", WF_SUMS_48(0), WF_SUMS_48(48));
}
/// The same of bf16 numbers.
__device__ inline void product(float (&d)[4], std::uint64_t a, std::uint64_t b, bool keep, __nv_bfloat16) {
  WF_PRODUCT("m64n8k16", "bf16.bf16", WF_NAMES_4, "%4", "%5", "%6", ", 0, 0", WF_SUMS_4(0));
}
__device__ inline void product(float (&d)[48], std::uint64_t a, std::uint64_t b, bool keep, __nv_bfloat16) {
  WF_PRODUCT("m64n96k16", "bf16.bf16", WF_NAMES_48, "%48", "%49", "%50", ", 0, 0", WF_SUMS_48(0));
}
__device__ inline void product(float (&d)[96], std::uint64_t a, std::uint64_t b, bool keep, __nv_bfloat16) {
  WF_PRODUCT("m64n192k16", "bf16.bf16", WF_NAMES_96, "%96", "%97", "%98", ", 0, 0", WF_SUMS_48(0), WF_SUMS_48(48));
}
#undef WF_SUMS_4
#undef WF_SUMS_16
#undef WF_SUMS_48
#undef WF_NAMES_4
#undef WF_NAMES_48
#undef WF_NAMES_96
#undef WF_PRODUCT

}  // namespace wf::hopper
