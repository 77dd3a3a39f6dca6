#include <c10/core/InferenceMode.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "launcher/bench/bench.hpp"
#include "launcher/bench/kernel_cases.hpp"
#include "parallel/device.hpp"

namespace wf {
namespace {

/// The rate of products in a kernel's number format.
double product_rate(const Ceilings& ceilings, const KernelCase& kernel) {
  return kernel.multiplies_in_fp8 ? ceilings.fp8_matmul.value_or(0) : ceilings.matmul;
}

/// Median seconds of a call. A run is as many calls as take 20 ms or more, so that starting the first one and taking
/// the time do not count.
double seconds_of(const Bench& bench, const std::function<void()>& call) {
  call();
  const double once = std::max(seconds_on(bench.device(), call), 1e-6);
  const int repeats = static_cast<int>(std::clamp(0.02 / once, 1.0, 1000.0));
  const Timing timing = time_runs(bench.device(), bench.runs, [&] {
    for (int i = 0; i < repeats; ++i) call();
  });
  return timing.median() / repeats;
}

/// Cells of `count` operations or bytes: as such, by second, and as a part of the device's rate; empty where there are
/// none.
std::vector<Cell> compared(std::int64_t count, double unit, double seconds, double rate) {
  if (count == 0) return {{}, {}, {}};
  const double by_second = static_cast<double>(count) / seconds;
  return {static_cast<double>(count) / unit, by_second / unit, ratio(100 * by_second, rate)};
}

std::vector<Cell> line(const KernelCase& kernel, double seconds, const Ceilings& ceilings) {
  std::vector<Cell> cells{kernel.kernel, kernel.cost.shape, 1e3 * seconds};
  for (const std::vector<Cell>& more : {compared(kernel.cost.bytes, giga, seconds, ceilings.copy),
                                        compared(kernel.cost.flops, tera, seconds, product_rate(ceilings, kernel))})
    cells.insert(cells.end(), more.begin(), more.end());
  return cells;
}

Table empty_table() {
  return {"kernels",
          {{"kernel", "kernel"},
           {"shape", "shape", 0, /*left=*/true},
           {"median_ms", "median ms", 4},
           {"gb", "GB", -4},
           {"gb_per_s", "GB/s", -4},
           {"copy_percent", "% of copy", 1},
           {"tflop", "TFLOP", -4},
           {"tflop_per_s", "TFLOP/s", -4},
           {"product_percent", "% of product", 1}}};
}

}  // namespace

Report bench_kernels(const Bench& bench) {
  const c10::InferenceMode no_autograd;
  const ModelParts& parts = bench.models.parts();
  const std::int64_t batch = batch_of(bench.models.execution(), Stage::high, bench.job);
  const at::ScalarType dtype = number_type(parts.precision);
  const Ceilings ceilings = measure_ceilings(bench.device(), dtype, computes_in_8_bits(bench.models.execution()));

  Table table = empty_table();
  double sum = 0;
  const KernelSizes sizes{parts.expert, bench.latents().grid(), batch};
  for (const KernelCase& kernel : kernel_cases(sizes, bench.models.execution())) {
    const double seconds = seconds_of(bench, kernel.prepare());
    release_cached_memory(bench.device());  // the next kernel's tensors have other sizes
    sum += seconds;
    table.rows.push_back(line(kernel, seconds, ceilings));
  }
  return {
      fmt::format("the kernels of an expert's block, each by itself, on random numbers: {} tokens, batch {}",
                  sizes.grid.tokens(), batch),
      {table, to_table(ceilings, bench.device(), bench.arithmetic(dtype, bench.device()))},
      sum,
      "Shapes are those of the first input, of the weight of a product, or of q. Bytes are those that a kernel has to "
      "read and write if it finds nothing in a cache; operations are those of products alone. Tensors that fit into "
      "the device's cache are read faster than a large copy."};
}

}  // namespace wf
