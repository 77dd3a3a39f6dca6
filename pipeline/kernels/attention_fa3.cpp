// pipeline/kernels/attention_fa3.cpp: FlashAttention-3. Its shared library registers an operator with LibTorch when it
// is loaded at run time, and the operator is looked up by name, so the program can be built and started without it.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/error.hpp"
#include "parallel/device.hpp"
#include "parallel/shard.hpp"
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

/// Tensor cores keep 13 bits of a sum of products of 8-bit numbers, and cut off the rest at each step of 32 keys. What
/// is lost grows with their number: simulated, 1.3 % of the result over 8,192 keys, 12 % over 75,600. So many keys at
/// most are summed up like this; the operator adds the sums in f32.
constexpr std::int64_t most_keys = 16'384;

/// Attention to some of the heads, in so many parts of their keys.
AttentionResult attend_in_parts(const c10::OperatorHandle& op, const Fp8Heads& heads, const Range& some,
                                std::int64_t parts) {
  const auto of = [&](const at::Tensor& x) { return x.narrow(1, some.begin, some.size); };
  return call(op, of(heads.q), of(heads.k), of(heads.v),
              {{"q_descale", of(heads.q_scale)},
               {"k_descale", of(heads.k_scale)},
               {"v_descale", of(heads.v_scale)},
               {"num_splits", parts}});
}

/// The operator holds the sums of all parts in f32, so heads are taken in as many groups as there are parts: together
/// they then need what one part of all heads would.
AttentionResult attend_in_8_bits(const c10::OperatorHandle& op, const Fp8Heads& heads) {
  const std::int64_t parts = (heads.k.size(2) + most_keys - 1) / most_keys, all = heads.q.size(1);
  if (parts <= 1) return attend_in_parts(op, heads, {0, all}, 1);
  std::vector<at::Tensor> outs, lses;
  for (const Range& group : split(all, static_cast<int>(std::min(parts, all)))) {
    const AttentionResult result = attend_in_parts(op, heads, group, parts);
std::string why_not_fa3(int capability) {
  return capability == 90 ? "" : "it needs a Hopper GPU (compute capability 9.0)";
}

    outs.push_back(result.out.transpose(1, 2));
    lses.push_back(result.lse);
  }
  return {at::cat(outs, 2).transpose(1, 2), at::cat(lses, 1)};
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

std::string why_not_fa3(at::Device device, at::ScalarType dtype, std::int64_t head_dim) {
  if (const std::string reason = why_not_fa3(compute_capability(device)); !reason.empty()) return reason;
  if (dtype != at::kBFloat16) return "it computes in bf16 (--precision exact)";
  if (head_dim % 8 != 0 || head_dim > 256)
    return "it takes heads of a multiple of 8 up to 256, not of " + std::to_string(head_dim);
  if (!fs::exists(library())) return std::string("the library that $WANFARM_FA3 names is not there; ") + how_to_get;
  return "";
}

}  // namespace wf
