// parallel/peer_tensors_none.cpp: peer_tensors.hpp in a build without CUDA.
#include "base/error.hpp"
#include "base/log.hpp"
#include "parallel/peer_tensors.hpp"

namespace wf {

Bytes share_tensors(const std::vector<at::Tensor>&) {
  spdlog::debug("no tensors are shared: this build has no CUDA");
  return {};
}

std::vector<at::Tensor> copy_shared(const Bytes&, const std::vector<at::Tensor>&, at::Device) {
  throw Error(Error::environment, "this build has no CUDA: it cannot copy from another process's GPU");
}

}  // namespace wf
