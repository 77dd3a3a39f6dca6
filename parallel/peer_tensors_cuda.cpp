// parallel/peer_tensors_cuda.cpp: peer_tensors.hpp by CUDA IPC, through LibTorch's allocator. What is shared is the
// MessagePack of an array with {"type", "sizes", "offset", "handle"} of each tensor. A handle is that of a whole
// segment of the allocator: tensors in one segment have the same handle, and different offsets.
#include <ATen/ATen.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/log.hpp"
#include "parallel/peer_memory.hpp"
#include "parallel/peer_tensors.hpp"

namespace wf {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;
using Json = nlohmann::json;

/// Shares nothing, and logs why.
Bytes share_nothing(std::string_view why) {
  spdlog::debug("no tensors are shared: {}", why);
  return {};
}

Json kind_of(const at::Tensor& tensor) {
  return {{"type", static_cast<int>(tensor.scalar_type())}, {"sizes", tensor.sizes().vec()}};
}

Json shared(const at::Tensor& tensor) {
  if (!tensor.is_contiguous()) throw Error(Error::internal, "a tensor to share is not contiguous");
  // The allocator finds a block by its first address.
  const allocator::ShareableHandle block = allocator::shareIpcHandle(tensor.storage().mutable_data());
  Json json = kind_of(tensor);
  json["offset"] = block.offset + tensor.storage_offset() * static_cast<std::int64_t>(tensor.itemsize());
  json["handle"] = Json::binary({block.handle.begin(), block.handle.end()});
  return json;
}

void check_kinds(const Json& tensors, const std::vector<at::Tensor>& like) {
  const auto is_like = [](const Json& json, const at::Tensor& tensor) {
    const Json kind = kind_of(tensor);
    return json.at("type") == kind.at("type") && json.at("sizes") == kind.at("sizes");
  };
  if (!std::ranges::equal(tensors, like, is_like))
    throw Error(Error::environment, "the tensors that another process shares have other dtypes or shapes");
}

/// Opens memory of other processes, for as long as the result lives. The allocator opens each segment once.
std::vector<std::shared_ptr<void>> open_all(const Json& tensors) {
  std::vector<std::shared_ptr<void>> opened;
  try {
    for (const Json& tensor : tensors) {
      const auto& handle = tensor.at("handle").get_binary();
      opened.push_back(allocator::getIpcDevPtr(std::string(handle.begin(), handle.end())));
    }
  } catch (const c10::Error& error) {
    (void)cudaGetLastError();  // clears the error, which is handled here
    throw Error(Error::environment,
                fmt::format("another process's GPU memory cannot be reached: {}", error.what_without_backtrace()));
  }
  return opened;
}

}  // namespace

Bytes share_tensors(const std::vector<at::Tensor>& tensors) {
  if (tensors.empty() || !tensors.front().is_cuda()) return share_nothing("they are not on a GPU");
  if (!peer_copies_allowed()) return share_nothing("WANFARM_PEER_COPIES is 0");
  const c10::cuda::CUDAGuard on_gpu(tensors.front().device());
  try {
    Json all = Json::array();
    for (const at::Tensor& tensor : tensors) all.push_back(shared(tensor));
    return Json::to_msgpack(all);
  } catch (const c10::Error& error) {
    (void)cudaGetLastError();
    return share_nothing(error.what_without_backtrace());
  }
}

/// Everything that can fail comes before the first copy, so that no memory is closed while it is being read.
std::vector<at::Tensor> copy_shared(const Bytes& shared, const std::vector<at::Tensor>& like, at::Device own) {
  const c10::cuda::CUDAGuard on_gpu(own);  // the other process's memory is opened for the current device
  const Json tensors = Json::from_msgpack(shared);
  check_kinds(tensors, like);
  const std::vector<std::shared_ptr<void>> opened = open_all(tensors);
  std::vector<at::Tensor> copies;
  for (const at::Tensor& one : like) copies.push_back(at::empty(one.sizes(), at::device(own).dtype(one.scalar_type())));
  const c10::cuda::CUDAStream stream = c10::cuda::getCurrentCUDAStream(own.index());
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const auto* const from =
        static_cast<const std::byte*>(opened[i].get()) + tensors[i].at("offset").get<std::int64_t>();
    C10_CUDA_CHECK(cudaMemcpyAsync(copies[i].mutable_data_ptr(), from, copies[i].nbytes(), cudaMemcpyDefault, stream));
  }
  stream.synchronize();
  return copies;
}

}  // namespace wf
