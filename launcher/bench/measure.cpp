#include <c10/util/Exception.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/error.hpp"
#include "launcher/bench/bench.hpp"
#include "parallel/device.hpp"
#include "pipeline/model/ceilings.hpp"

namespace wf {
namespace {

/// Operations that take a smaller share of the time are shown as one line.
constexpr double least_share = 0.002;

}  // namespace

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

std::function<at::Tensor()> repeated_velocity(const at::Tensor& x, double timestep, const Conditions& conditions,
                                              const DitWeights& expert, Execution execution, CudaGraphs graphs) {
  execution.cuda_graphs = graphs;
  const auto field = std::make_shared<VelocityField>(conditions, expert, std::move(execution));
  return [field, x, timestep] { return field->at(x, timestep); };
}

Ceilings measure_ceilings(at::Device device, at::ScalarType dtype, bool with_fp8) {
  Ceilings ceilings{matmul_rate(device, dtype), copy_rate(device)};
  if (with_fp8) ceilings.fp8_matmul = fp8_matmul_rate(device);
  release_cached_memory(device);
  return ceilings;
}

Table to_table(const Ceilings& ceilings, at::Device device, const std::string& kind) {
  Table table = ceiling_table(
      {matmul_line(ceilings.matmul, device, kind), {"copy, read and written", ceilings.copy / giga, "GB/s"}});
  if (ceilings.fp8_matmul) table.rows.push_back(matmul_line(*ceilings.fp8_matmul, device, "8-bit numbers"));
  return table;
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

Table operations_table(const Profile& profile) {
  Table table{"operations",
              {{"operation", "operation"},
               {"shape", "shape"},
               {"calls", "calls"},
               {"ms", "ms", 3},
               {"share", "share %", 1},
               {"tflop_per_s", "TFLOP/s", 2},
               {"gb_per_s", "GB/s", 1}}};
  double sum = 0, small = 0, small_calls = 0;
  const auto line = [&](const std::string& name, const std::string& shape, double calls, double seconds, Cell tflops,
                        Cell gbs) {
    table.rows.push_back({name, shape, calls > 0 ? Cell(calls) : Cell(), 1e3 * seconds, 100 * seconds / profile.seconds,
                          std::move(tflops), std::move(gbs)});
  };
  for (const OpTime& op : profile.ops) {
    sum += op.seconds;
    const auto calls = static_cast<double>(op.calls);
    if (op.seconds < least_share * profile.seconds) {
      small += op.seconds;
      small_calls += calls;
      continue;
    }
    const auto rate = [&](std::int64_t count, double unit) {
      return count > 0 ? ratio(static_cast<double>(count) / unit, op.seconds) : Cell();
    };
    line(op.name, op.shape, calls, op.seconds, rate(op.flops, tera), rate(op.bytes, giga));
  }
  line("all others", "", small_calls, small, {}, {});
  line("between operations", "", 0, profile.seconds - sum, {}, {});
  return table;
}

}  // namespace wf
