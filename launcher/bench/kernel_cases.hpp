// launcher/bench/kernel_cases.hpp: the kernels of an expert's block, each as a call that can be timed by itself, on
// random numbers of the sizes that it has in a forward.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "launcher/bench/op_cost.hpp"
#include "pipeline/execution.hpp"
#include "pipeline/model/rope.hpp"
#include "pipeline/weights/dit_config.hpp"

namespace wf {

/// What the sizes of a block's tensors follow from.
struct KernelSizes {
  DitConfig expert;
  TokenGrid grid;
  std::int64_t batch = 1;
};

/// One kernel at one size.
struct KernelCase {
  std::string kernel;              ///< The name under which it is profiled, without its namespace.
  OpCost cost;                     ///< Of one call: bytes, and the operations of a product or attention.
  bool multiplies_in_fp8 = false;  ///< Whether its products are of 8-bit numbers.
  /// Draws its inputs on the device, which live as long as the call that is returned. The call may be repeated; how
  /// long it takes does not change then.
  std::function<std::function<void()>()> prepare;
};

/// The kernels that a block may need in the precision of `execution`: those that norm, add and write heads; where
/// products are of 8-bit numbers, those that round to 8 bits as well; then the products, cross-attention by each code
/// that may compute it, and self-attention in bf16 (f32 in `reference`) and, where a run attends in 8 bits, in these.
/// `execution` comes with its attention chosen. Allocates nothing on the device; calls need the caller's
/// c10::InferenceMode. Throws what choose_attention() throws.
std::vector<KernelCase> kernel_cases(const KernelSizes& sizes, const Execution& execution);

}  // namespace wf
