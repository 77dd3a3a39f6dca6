#include "parallel/nccl_communicator.hpp"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <cstring>
#include <numeric>
#include <utility>

#include "base/check.hpp"
#include "base/error.hpp"
#include "parallel/nccl_link.hpp"

namespace wf {
namespace {

class NcclTransfer final : public Transfer {
 public:
  NcclTransfer(std::shared_ptr<NcclLink> link, std::shared_ptr<NcclOperation> operation, SendRecv batch)
      : link_(std::move(link)), operation_(std::move(operation)), batch_(std::move(batch)) {}
  /// Orders the current stream after the transfer, even if wait() was not called: what was sent may be overwritten now.
  ~NcclTransfer() override {
    try {
      if (!waited_for_) order();
    } catch (const std::exception& error) {
      spdlog::error("{}", error.what());
    }
  }
  at::Tensor wait() override {
    link_->check();
    order();
    waited_for_ = true;
    return std::exchange(batch_, {}).received;
  }

 private:
  void order() { operation_->end.block(c10::cuda::getCurrentCUDAStream(link_->common()->gpu.index())); }

  std::shared_ptr<NcclLink> link_;
  std::shared_ptr<NcclOperation> operation_;
  SendRecv batch_;  ///< keeps the memory until the current stream waits for the transfer
  bool waited_for_ = false;
};

/// The id of a new NCCL communicator: made by the first rank, broadcast by the host communicator.
ncclUniqueId agree_on_id(Communicator& host) {
  ncclUniqueId id{};
  if (host.size() == 1) return id;
  if (host.rank() == 0) {
    const ncclResult_t code = ncclGetUniqueId(&id);
    if (code != ncclSuccess)
      throw Error(Error::resource,
                  fmt::format("ncclGetUniqueId: {}: {}", ncclGetErrorString(code), ncclGetLastError(nullptr)));
  }
  const at::Tensor bytes = at::empty({static_cast<std::int64_t>(sizeof(id))}, at::kByte);  // outlives a failure
  std::memcpy(bytes.mutable_data_ptr(), &id, sizeof(id));
  host.broadcast(bytes, 0);
  std::memcpy(&id, bytes.const_data_ptr(), sizeof(id));
  return id;
}

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(std::unique_ptr<Communicator> host, std::shared_ptr<NcclCommon> common, std::vector<int> names)
      : host_(std::move(host)),
        link_(std::make_shared<NcclLink>(std::move(common), agree_on_id(*host_), host_->rank(), std::move(names))) {}

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  bool can_be_recorded() const override { return true; }

  void broadcast(const at::Tensor& tensor, int root) override {
    const bool alone = size() == 1 || tensor.numel() == 0;
    const auto operation =
        start_on({tensor}, "broadcast", alone ? std::set<int>{} : others(), [&](ncclComm_t comm, cudaStream_t stream) {
          return ncclBroadcast(tensor.data_ptr(), tensor.data_ptr(), tensor.nbytes(), ncclUint8, root, comm, stream);
        });
    operation->end.block(c10::cuda::getCurrentCUDAStream(gpu().index()));
  }

  void barrier() override {
    const at::Tensor byte = at::zeros({1}, at::device(gpu()).dtype(at::kByte));
    link_->finish(*start_on({byte}, "barrier", others(), [&](ncclComm_t comm, cudaStream_t stream) {
      return ncclAllReduce(byte.data_ptr(), byte.data_ptr(), 1, ncclUint8, ncclMax, comm, stream);
    }));
  }

  std::unique_ptr<Communicator> subgroup(const std::vector<int>& members) const override {
    std::vector<int> names;
    for (const int member : members) names.push_back(name(member));
    return std::make_unique<NcclCommunicator>(host_->subgroup(members), link_->common(), std::move(names));
  }

 private:
  at::Device gpu() const { return link_->common()->gpu; }
  int name(int rank) const { return link_->names()[static_cast<std::size_t>(rank)]; }
  std::set<int> others() const {
    std::set<int> names(link_->names().begin(), link_->names().end());
    names.erase(name(rank()));
    return names;
  }

  /// Starts an operation on tensors, which the caller keeps until the current stream waits for it.
  std::shared_ptr<NcclOperation> start_on(const std::vector<at::Tensor>& tensors, const char* call, std::set<int> peers,
                                          const NcclLink::Post& post) {
    for (const at::Tensor& tensor : tensors) WF_CHECK(tensor.device() == gpu() && tensor.is_contiguous());
    try {
      return link_->start(call, std::move(peers), post);
    } catch (...) {
      // Until NCCL has noticed the failure it may write there, so the memory must not be reused before.
      for (const at::Tensor& tensor : tensors) tensor.record_stream(link_->common()->stream);
      throw;
    }
  }

  std::unique_ptr<Transfer> post(const SendRecv& batch) override {
    std::set<int> peers;
    std::vector<at::Tensor> tensors;
    for (const Blocks* const blocks : {&batch.send, &batch.receive}) {
      for (const Block& block : *blocks) {
        tensors.push_back(block.data);
        peers.insert(name(block.rank));
      }
    }
    auto operation = start_on(tensors, batch.call, std::move(peers), [&](ncclComm_t comm, cudaStream_t stream) {
      return send_and_receive(batch, comm, stream);
    });
    return std::make_unique<NcclTransfer>(link_, std::move(operation), batch);
  }

  static ncclResult_t send_and_receive(const SendRecv& batch, ncclComm_t comm, cudaStream_t stream) {
    ncclResult_t code = ncclSuccess;
    const auto is_well = [&] { return code == ncclSuccess || code == ncclInProgress; };
    for (const auto& [to, data] : batch.send)
      if (is_well()) code = ncclSend(data.const_data_ptr(), data.nbytes(), ncclUint8, to, comm, stream);
    for (const auto& [from, data] : batch.receive)
      if (is_well()) code = ncclRecv(data.data_ptr(), data.nbytes(), ncclUint8, from, comm, stream);
    return code;
  }

  std::unique_ptr<Communicator> host_;
  std::shared_ptr<NcclLink> link_;
};

}  // namespace

std::unique_ptr<Communicator> nccl_communicator(std::unique_ptr<Communicator> host, at::Device gpu,
                                                const Waiting& waiting, std::vector<int> names) {
  setenv("NCCL_NVLS_ENABLE", "0", /*overwrite=*/0);
  // Else NCCL opens the memory of recorded operations to other ranks, and may keep it open when their graph is gone.
  setenv("NCCL_GRAPH_REGISTER", "0", /*overwrite=*/0);
  if (names.empty()) {
    names.resize(static_cast<std::size_t>(host->size()));
    std::iota(names.begin(), names.end(), 0);
  }
  WF_CHECK(gpu.has_index() && std::ssize(names) == host->size());
  return std::make_unique<NcclCommunicator>(std::move(host), std::make_shared<NcclCommon>(gpu, waiting),
                                            std::move(names));
}

std::string nccl_library() {
  int version = 0;
  if (ncclGetVersion(&version) != ncclSuccess) return "NCCL";
  return fmt::format("NCCL {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace wf
