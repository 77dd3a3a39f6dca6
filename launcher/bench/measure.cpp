#include <c10/util/Exception.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "cluster/error.hpp"
#include "launcher/bench/bench.hpp"
#include "parallel/device.hpp"
#include "pipeline/ceilings.hpp"

namespace wf {

std::string Bench::arithmetic(at::ScalarType dtype, at::Device on) const {
  if (dtype != at::kFloat) return "bf16";
  return models.execution().tf32 && !on.is_cpu() ? "TF32" : "f32";
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double Timing::median() const { return wf::median(runs); }
double Timing::least() const { return *std::min_element(runs.begin(), runs.end()); }

Timing time_runs(at::Device device, int runs, const std::function<void()>& work) {
  work();
  Timing timing;
  for (int i = 0; i < runs; ++i) timing.runs.push_back(seconds_on(device, work));
  return timing;
}

void in_memory(const std::string& what, at::Device device, const std::function<void()>& work) {
  try {
    work();
  } catch (const c10::OutOfMemoryError&) {
    throw Error(Error::resource,
                what + ": " + device_name(device) + " is out of memory; a smaller --size or fewer --frames take less");
  }
}

Ceilings measure_ceilings(at::Device device, at::ScalarType dtype) {
  const Ceilings ceilings{matmul_rate(device, dtype), copy_rate(device)};
  release_cached_memory(device);
  return ceilings;
}

Table to_table(const Ceilings& ceilings, at::Device device, const std::string& kind) {
  return ceiling_table(
      {matmul_line(ceilings.matmul, device, kind), {"copy, read and written", ceilings.copy / giga, "GB/s"}});
}

std::vector<Cell> matmul_line(double rate, at::Device device, const std::string& kind) {
  return {fmt::format("product of {0}x{0} matrices, {1}", matmul_size(device), kind), rate / tera, "TFLOP/s"};
}

Table ceiling_table(std::vector<std::vector<Cell>> lines) {
  return {"ceilings", {{"what", "ceiling"}, {"value", "measured", 2}, {"unit", "unit"}}, std::move(lines)};
}

Cell in_gib(std::uint64_t bytes) { return bytes > 0 ? Cell(static_cast<double>(bytes) / gibi) : Cell(); }

Cell difference_percent(double measured, double predicted) {
  return measured > 0 && predicted > 0 ? Cell(100 * (measured / predicted - 1)) : Cell();
}

}  // namespace wf
