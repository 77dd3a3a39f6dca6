#include "pipeline/experts/converted_expert.hpp"

#include <ATen/ATen.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "pipeline/weights/aten_dtype.hpp"

namespace wf {
namespace {

std::string name_at(std::size_t place) { return fmt::format("{:04}", place); }

/// Loads tensor after tensor in the place of those it is given.
class InOrder {
 public:
  InOrder(const Checkpoint& file, at::Device device) : file_(file), device_(device) {}
  void operator()(at::Tensor& tensor) {
    tensor = file_.load(name_at(next_++), tensor.scalar_type(), device_, tensor.sizes());
  }

 private:
  const Checkpoint& file_;
  at::Device device_;
  std::size_t next_ = 0;
};

}  // namespace

std::vector<at::Tensor> tensors_of(const DitWeights& expert) {
  std::vector<at::Tensor> tensors;
  DitWeights all = expert;
  for_each_tensor(all, [&](const at::Tensor& tensor) { tensors.push_back(tensor); });
  return tensors;
}

std::vector<PlannedTensor> planned_tensors(const DitWeights& expert) {
  std::vector<PlannedTensor> plan;
  for (const at::Tensor& tensor : tensors_of(expert))
    plan.push_back({name_at(plan.size()), from_aten(tensor.scalar_type()).value(), tensor.sizes().vec()});
  return plan;
}

std::uint64_t bytes_of(const DitWeights& expert) {
  std::uint64_t bytes = 0;
  for (const at::Tensor& tensor : tensors_of(expert)) bytes += tensor.nbytes();
  return bytes;
}

bool has_tensors(const Checkpoint& file, const std::vector<PlannedTensor>& tensors) {
  return std::ranges::all_of(tensors, [&](const PlannedTensor& tensor) {
    return file.has(tensor.name) && file.entry(tensor.name).dtype == tensor.dtype &&
           file.entry(tensor.name).shape == tensor.shape;
  });
}

DitWeights read_converted(const Checkpoint& file, const DitWeights& like, at::Device device,
                          const SettleBlock& settle) {
  InOrder load(file, device);
  DitWeights expert = like;
  // for_each_tensor() visits what is no block first.
  std::vector<DitBlock> blocks = std::exchange(expert.blocks, {});
  for_each_tensor(expert, std::ref(load));
  for (DitBlock& block : blocks) {
    for_each_tensor(block, std::ref(load));
    if (settle) settle(expert.blocks.size(), block);
    expert.blocks.push_back(std::move(block));
  }
  return expert;
}

}  // namespace wf
