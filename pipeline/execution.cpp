#include "pipeline/execution.hpp"

#include <ATen/Context.h>

#include "base/error.hpp"
#include "pipeline/kernels/operand.hpp"

namespace wf {

namespace {

ChosenAttention choose_in_8_bits(const Execution& execution, std::int64_t head_dim) {
  const AttentionBackend backend = execution.backend;
  if (backend == AttentionBackend::cudnn || backend == AttentionBackend::fa3)
    throw Error(Error::input, std::string("--attention ") + to_string(backend) +
                                  " computes in bf16, --precision fp8 in 8 bits: give --precision fp8-linear with it");
  const bool on_cpu = backend == AttentionBackend::automatic && execution.device.is_cpu();
  if (on_cpu || backend == AttentionBackend::math) return {"math-fp8", rounded_attention(math_attention())};
  const std::string reason = why_not_fa3_fp8(execution.device, number_type(execution.precision), head_dim);
  if (reason.empty()) {
    SelfAttention attention = fa3_fp8_attention();
    attention.exact = choose_attention(exactly(execution), head_dim).attention.of_rows;
    return {"fa3-fp8", attention};
  }
  if (backend == AttentionBackend::fa3_fp8) throw Error(Error::environment, "--attention fa3-fp8: " + reason);
  throw Error(Error::environment, "--precision fp8: self-attention in 8 bits takes FlashAttention-3: " + reason +
                                      "; --precision fp8-linear does without");
}

}  // namespace

bool attends_in_fp8(const Execution& execution) {
  return execution.precision == Precision::fp8 || execution.backend == AttentionBackend::fa3_fp8;
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
  if (!multiplies_in_fp8(execution.precision)) return;
  const std::string reason = why_not_fp8_products(execution.device);
  if (!reason.empty())
    throw Error(Error::environment, std::string("--precision ") + to_string(execution.precision) + ": " + reason);
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

}  // namespace wf
