// parallel/peer_tensors_cuda.cpp: CUDA IPC, by way of LibTorch's allocator. As bytes: MessagePack of an array with
// {"type", "sizes", "offset", "handle"} of each tensor. Handles are of whole segments of the allocator: tensors of one
// segment have the same, and are told apart by their offsets.
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

#include "cluster/error.hpp"
#include "cluster/log.hpp"
#include "parallel/peer_memory.hpp"
#include "parallel/peer_tensors.hpp"

namespace wf {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;
using Json = nlohmann::json;

Bytes no(std::string_view why) {
  spdlog::debug("no tensors are shared: {}", why);
  return {};
}

Json kind_of(const at::Tensor& tensor) {
  return {{"type", static_cast<int>(tensor.scalar_type())}, {"sizes", tensor.sizes().vec()}};
}

Json shared(const at::Tensor& tensor) {
  if (!tensor.is_contiguous()) throw Error(Error::internal, "a tensor to share has gaps");
  // The allocator knows blocks by where they begin.
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
    throw Error(Error::environment, "what another process shares has other dtypes or shapes");
}

/// Memory of other processes, open as long as this lives; the allocator opens a segment once.
std::vector<std::shared_ptr<void>> open_all(const Json& tensors) {
  std::vector<std::shared_ptr<void>> opened;
  try {
    for (const Json& tensor : tensors) {
      const auto& handle = tensor.at("handle").get_binary();
      opened.push_back(allocator::getIpcDevPtr(std::string(handle.begin(), handle.end())));
    }
  } catch (const c10::Error& error) {
    (void)cudaGetLastError();  // it was the whole answer
    throw Error(Error::environment,
                fmt::format("another process's GPU memory cannot be reached: {}", error.what_without_backtrace()));
  }
  return opened;
}

}  // namespace

Bytes share_tensors(const std::vector<at::Tensor>& tensors) {
  if (tensors.empty() || !tensors.front().is_cuda()) return no("they are not on a GPU");
  if (!peer_copies_allowed()) return no("WANFARM_PEER_COPIES is 0");
  const c10::cuda::CUDAGuard on_gpu(tensors.front().device());
  try {
    Json all = Json::array();
    for (const at::Tensor& tensor : tensors) all.push_back(shared(tensor));
    return Json::to_msgpack(all);
  } catch (const c10::Error& error) {
    (void)cudaGetLastError();
    return no(error.what_without_backtrace());
  }
}

/// All that can fail comes before the first copy, so that no memory is closed while it is read.
std::vector<at::Tensor> copy_shared(const Bytes& shared, const std::vector<at::Tensor>& like, at::Device own) {
  const c10::cuda::CUDAGuard on_gpu(own);  // the others' memory is opened for this GPU
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
