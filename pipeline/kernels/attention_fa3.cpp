// pipeline/kernels/attention_fa3.cpp: FlashAttention-3. Its shared library registers an operator with LibTorch when it
// is loaded at run time, and the operator is looked up by name, so the program can be built and started without it.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/error.hpp"
#include "parallel/device.hpp"
#include "pipeline/kernels/attention.hpp"
#include "pipeline/kernels/fp8_format.hpp"
#include "pipeline/kernels/heads_fp8.hpp"

namespace wf {
namespace {

namespace fs = std::filesystem;

constexpr const char* how_to_get = "./wanfarm --with-fa3 fetches it, --attention cudnn does without";

/// The library file that $WANFARM_FA3 names; empty when it is not set.
fs::path library() {
  const char* const set = std::getenv("WANFARM_FA3");
  if (!set || !*set) return {};
  return fs::is_directory(set) ? fs::path(set) / "fa3_fwd/_C.abi3.so" : fs::path(set);
}

void load(const fs::path& file, int flags) {
  if (::dlopen(file.c_str(), flags)) return;
  throw Error(Error::environment, std::string("FlashAttention-3 cannot be loaded: ") + ::dlerror() + "; " + how_to_get);
}

/// Loads libtorch.so, which the FlashAttention-3 library depends on by its bare name. This program links only the
/// libraries that libtorch.so is made of; it is loaded from their folder.
void load_libtorch() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&at::globalContext), &info) == 0 || !info.dli_fname) return;
  const fs::path whole = fs::path(info.dli_fname).parent_path() / "libtorch.so";
  if (fs::exists(whole)) load(whole, RTLD_LAZY | RTLD_GLOBAL);
}

c10::OperatorHandle find_operator() {
  const c10::OperatorName name("fa3_fwd::fwd", "");
  if (const auto known = c10::Dispatcher::singleton().findSchema(name)) return *known;
  const fs::path file = library();
  if (file.empty()) throw Error(Error::environment, std::string("WANFARM_FA3 is not set; ") + how_to_get);
  load_libtorch();
  load(file, RTLD_LAZY | RTLD_GLOBAL);
  if (const auto loaded = c10::Dispatcher::singleton().findSchema(name)) return *loaded;
  throw Error(Error::environment, file.string() + " does not hold FlashAttention-3's fa3_fwd::fwd; " + how_to_get);
}

/// The operator's arguments: those that are given by name, and the schema's defaults for all others.
torch::jit::Stack arguments(const c10::FunctionSchema& schema, const std::map<std::string, c10::IValue>& given) {
  torch::jit::Stack stack;
  for (const c10::Argument& argument : schema.arguments()) {
    const auto found = given.find(argument.name());
    stack.push_back(found != given.end() ? found->second : argument.default_value().value_or(c10::IValue()));
  }
  return stack;
}

/// Calls the operator, which takes and gives [batch, rows, heads, head_dim].
AttentionResult call(const c10::OperatorHandle& op, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     std::map<std::string, c10::IValue> given) {
  given.insert({{"q", q.transpose(1, 2)}, {"k", k.transpose(1, 2)}, {"v", v.transpose(1, 2)}});
  given.emplace("num_splits", 1);  // else the operator chooses, and the order of sums depends on the GPU
  torch::jit::Stack stack = arguments(op.schema(), given);
  op.callBoxed(stack);
  return {stack[0].toTensor().transpose(1, 2), stack[1].toTensor()};
}

AttentionResult attend_in_8_bits(const c10::OperatorHandle& op, const Fp8Heads& heads) {
  return call(op, heads.q, heads.k, heads.v,
              {{"q_descale", heads.q_scale}, {"k_descale", heads.k_scale}, {"v_descale", heads.v_scale}});
}

}  // namespace

Attention fa3_attention() {
  return [op = find_operator()](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool) {
    return call(op, q, k, v, {});
  };
}

SelfAttention fa3_fp8_attention() {
  const auto of_heads = [op = find_operator()](const Fp8Heads& heads, at::ScalarType, bool) {
    return attend_in_8_bits(op, heads);
  };
  return attention_in_8_bits(of_heads, /*exact=*/{});
}

std::string why_not_fa3_fp8(at::Device device, at::ScalarType dtype, std::int64_t head_dim) {
  const std::string reason = why_not_fa3(device, dtype, head_dim);
  if (!reason.empty() || has_fp8_kernels(head_dim)) return reason;
  return "in 8 bits it takes heads of 64, 128 or 256, not of " + std::to_string(head_dim);
}

std::string why_not_fa3(int capability) {
  return capability == 90 ? "" : "it needs a Hopper GPU (compute capability 9.0)";
}

std::string why_not_fa3(at::Device device, at::ScalarType dtype, std::int64_t head_dim) {
  if (const std::string reason = why_not_fa3(compute_capability(device)); !reason.empty()) return reason;
  if (dtype != at::kBFloat16) return "it computes in bf16 (--precision exact)";
  if (head_dim % 8 != 0 || head_dim > 256)
    return "it takes heads of a multiple of 8 up to 256, not of " + std::to_string(head_dim);
  if (!fs::exists(library())) return std::string("the library that $WANFARM_FA3 names is not there; ") + how_to_get;
  return "";
}

}  // namespace wf
