#include "pipeline/execution.hpp"

#include <ATen/Context.h>

#include "base/error.hpp"
#include "pipeline/kernels/attention.hpp"

namespace wf {

ChosenAttention choose_attention(const Execution& execution, std::int64_t head_dim) {
  const at::ScalarType dtype = execution.precision == Precision::exact ? at::kBFloat16 : at::kFloat;
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

void use_tf32(bool on) {
  at::globalContext().setAllowTF32CuBLAS(on);
  at::globalContext().setAllowTF32CuDNN(on);
}

}  // namespace wf
