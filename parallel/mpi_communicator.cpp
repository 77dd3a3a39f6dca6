#include "parallel/mpi_communicator.hpp"

#include <ATen/ATen.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "parallel/mpi_check.hpp"
#include "parallel/mpi_messages.hpp"

namespace wf {
namespace {

using Bytes = std::span<std::byte>;

Bytes bytes_of(const at::Tensor& tensor) {
  TORCH_INTERNAL_ASSERT(tensor.is_cpu() && tensor.is_contiguous());
  return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()};
}

class MpiTransfer final : public Transfer {
 public:
  MpiTransfer(MpiMessages messages, at::Tensor received)
      : messages_(std::move(messages)), received_(std::move(received)) {}
  ~MpiTransfer() override {
    try {
      if (!messages_.over()) messages_.wait();
    } catch (const std::exception& error) {
      spdlog::error("{}", error.what());
    }
  }
  at::Tensor wait() override {
    messages_.wait();
    return std::move(received_);
  }

 private:
  MpiMessages messages_;
  at::Tensor received_;
};

class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(std::shared_ptr<MpiLink> link) : link_(std::move(link)) {}

  int rank() const override { return link_->rank; }
  int size() const override { return link_->size; }

  void broadcast(const at::Tensor& tensor, int root) override {
    MpiMessages messages = begin("broadcast", {tensor});
    messages.broadcast(bytes_of(tensor), root);
    messages.wait();
  }

  void barrier() override {
    MpiMessages messages = begin("barrier", {});
    messages.barrier();
    messages.wait();
  }

  std::unique_ptr<Communicator> subgroup(const std::vector<int>& members) const override {
    TORCH_INTERNAL_ASSERT(std::count(members.begin(), members.end(), rank()) == 1);
    return std::make_unique<MpiCommunicator>(std::make_shared<MpiLink>(link_->comm, members, link_->waiting));
  }

 private:
  MpiMessages begin(const char* call, std::initializer_list<at::Tensor> tensors) {
    MpiMessages messages(link_, call);
    for (const at::Tensor& tensor : tensors) messages.keep(tensor);
    return messages;
  }

  /// In messages of their own rather than by MPI's collectives: those count and place in 32 bits, and would not tell
  /// whose block is missing.
  std::unique_ptr<Transfer> post(const Trade& trade) override {
    MpiMessages messages = begin(trade.call, {});
    for (const Block& block : trade.in) {
      messages.keep(block.data);
      messages.receive(bytes_of(block.data), block.rank);
    }
    for (const Block& block : trade.out) {
      messages.keep(block.data);
      messages.send(bytes_of(block.data), block.rank);
    }
    return std::make_unique<MpiTransfer>(std::move(messages), trade.received);
  }

  std::shared_ptr<MpiLink> link_;
};

}  // namespace

std::unique_ptr<Communicator> mpi_communicator(MPI_Comm parent, const MpiWaiting& waiting) {
  int size = 0;
  WF_MPI(MPI_Comm_size(parent, &size));
  std::vector<int> members(static_cast<std::size_t>(size));
  std::iota(members.begin(), members.end(), 0);
  return std::make_unique<MpiCommunicator>(std::make_shared<MpiLink>(parent, members, waiting));
}

}  // namespace wf
