#include "pipeline/execution.hpp"

#include <ATen/Context.h>

#include "base/error.hpp"
#include "parallel/device_graph.hpp"
#include "pipeline/kernels/operand.hpp"

namespace wf {

namespace {

/// Throws input for a backend that does not compute in 8 bits where the precision says so.
void check_backend(const Execution& execution) {
  const AttentionBackend backend = execution.backend;
  const bool is_wide = backend == AttentionBackend::cudnn || backend == AttentionBackend::fa3;
  if (is_wide && execution.precision == Precision::fp8)
    throw Error(Error::input, std::string("--attention ") + to_string(backend) +
                                  " computes in bf16, --precision fp8 in 8 bits: give --precision fp8-linear with it");
}

[[noreturn]] void refuse_attention_in_8_bits(AttentionBackend backend, const std::string& reason) {
  if (backend == AttentionBackend::fa3_fp8) throw Error(Error::environment, "--attention fa3-fp8: " + reason);
  throw Error(Error::environment, "--precision fp8: self-attention in 8 bits takes FlashAttention-3: " + reason +
                                      "; --precision fp8-linear does without");
}

ChosenAttention choose_in_8_bits(const Execution& execution, std::int64_t head_dim) {
  const AttentionBackend backend = execution.backend;
  check_backend(execution);
  const bool on_cpu = backend == AttentionBackend::automatic && execution.device.is_cpu();
  if (on_cpu || backend == AttentionBackend::math) return {"math-fp8", rounded_attention(math_attention())};
  const std::string reason = why_not_fa3_fp8(execution.device, number_type(execution.precision), head_dim);
  if (!reason.empty()) refuse_attention_in_8_bits(backend, reason);
  SelfAttention attention = fa3_fp8_attention();
  attention.exact = choose_attention(exactly(execution), head_dim).attention.of_rows;
  return {"fa3-fp8", attention};
}

void check_products(Precision precision, const std::string& reason) {
  if (multiplies_in_fp8(precision) && !reason.empty())
    throw Error(Error::environment, std::string("--precision ") + to_string(precision) + ": " + reason);
}

void check_exact_blocks_are_of_use(const Execution& execution) {
  if (execution.exact_blocks.any() && !computes_in_8_bits(execution))
    throw Error(Error::input,
                "--fp8-exact-blocks " + to_string(execution.exact_blocks) + ": with --precision " +
                    to_string(execution.precision) +
                    " nothing is computed from 8-bit numbers; give --precision fp8 with it, or leave it out");
}

/// "8.9"
std::string version_text(int capability) {
  return std::to_string(capability / 10) + "." + std::to_string(capability % 10);
}

}  // namespace

bool attends_in_fp8(const Execution& execution) {
  return execution.precision == Precision::fp8 || execution.backend == AttentionBackend::fa3_fp8;
}

bool computes_in_8_bits(const Execution& execution) {
  return multiplies_in_fp8(execution.precision) || attends_in_fp8(execution);
}

bool records_forwards(const Execution& execution, std::int64_t rows, int ranks) {
  constexpr std::int64_t most_rows = 10'000;
  if (!can_record(execution.device) || execution.cuda_graphs == CudaGraphs::off) return false;
  if (execution.streamed_blocks > 0) return false;  // the copies of the blocks are no part of a forward's work
  return execution.cuda_graphs == CudaGraphs::on || (ranks == 1 && rows <= most_rows);
}

ChosenAttention choose_attention(const Execution& execution, std::int64_t head_dim) {
  if (attends_in_fp8(execution)) return choose_in_8_bits(execution, head_dim);
  const at::ScalarType dtype = number_type(execution.precision);
  const std::string no_fa3 = why_not_fa3(execution.device, dtype, head_dim);
  const std::string no_cudnn = why_not_cudnn(execution.device, dtype, head_dim);
  const bool automatic = execution.backend == AttentionBackend::automatic;
  if (execution.backend == AttentionBackend::fa3 && !no_fa3.empty())
    throw Error(Error::environment, "--attention fa3: " + no_fa3);
  if (execution.backend == AttentionBackend::cudnn && !no_cudnn.empty())
    throw Error(Error::environment, "--attention cudnn: " + no_cudnn);
  if (execution.backend == AttentionBackend::fa3 || (automatic && no_fa3.empty())) return {"fa3", fa3_attention()};
  if (execution.backend == AttentionBackend::cudnn || (automatic && no_cudnn.empty()))
    return {"cudnn", cudnn_attention()};
  return {"math", math_attention()};
}

void check_precision(const Execution& execution) {
  check_exact_blocks_are_of_use(execution);
  check_products(execution.precision, why_not_fp8_products(execution.device));
}

void check_precision(const Execution& execution, const std::string& gpu, int capability) {
  check_exact_blocks_are_of_use(execution);
  check_backend(execution);
  if (capability == 0) return;
  const std::string its_own = ", and " + gpu + " has " + version_text(capability);
  const std::string reason = why_not_fp8_products(capability);
  check_products(execution.precision, reason.empty() ? "" : reason + its_own);
  std::string no_fa3 = why_not_fa3(capability);
  if (no_fa3.empty()) return;
  no_fa3 += its_own;
  if (attends_in_fp8(execution) && execution.backend != AttentionBackend::math)
    refuse_attention_in_8_bits(execution.backend, no_fa3);
  if (execution.backend == AttentionBackend::fa3) throw Error(Error::environment, "--attention fa3: " + no_fa3);
}

std::int64_t exact_steps_at_each_end(const Execution& execution, std::int64_t steps) {
  return execution.fp8_exact_steps.value_or(steps >= 10 ? 1 : 0);
}

bool is_exact_step(const Execution& execution, std::int64_t step, std::int64_t steps) {
  const std::int64_t exact = exact_steps_at_each_end(execution, steps);
  return step < exact || step >= steps - exact;
}

Execution exactly(Execution execution) {
  if (multiplies_in_fp8(execution.precision)) execution.precision = Precision::exact;
  if (execution.backend == AttentionBackend::fa3_fp8) execution.backend = AttentionBackend::automatic;
  return execution;
}

void use_tf32(bool on) {
  at::globalContext().setAllowTF32CuBLAS(on);
  at::globalContext().setAllowTF32CuDNN(on);
}

Tf32Meanwhile::Tf32Meanwhile(bool on) : before_(at::globalContext().allowTF32CuBLAS()) { use_tf32(on); }

}  // namespace wf
