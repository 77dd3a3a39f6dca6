#include "parallel/mpi_communicator.hpp"

#include <ATen/ATen.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "cluster/mpi_check.hpp"
#include "parallel/mpi_messages.hpp"

namespace wf {
namespace {

using ByteSpan = std::span<std::byte>;

ByteSpan bytes_of(const at::Tensor& tensor) {
  WF_CHECK(tensor.is_cpu() && tensor.is_contiguous());
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
  MpiCommunicator(std::shared_ptr<MpiLink> link, std::size_t longest_message)
      : link_(std::move(link)), longest_message_(longest_message) {}

  int rank() const override { return link_->rank; }
  int size() const override { return link_->size; }
  bool can_be_recorded() const override { return false; }

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
    WF_CHECK(std::count(members.begin(), members.end(), rank()) == 1);
    return std::make_unique<MpiCommunicator>(std::make_shared<MpiLink>(link_->comm, members, link_->waiting),
                                             longest_message_);
  }

 private:
  MpiMessages begin(const char* call, std::initializer_list<at::Tensor> tensors) {
    MpiMessages messages(link_, longest_message_, call);
    for (const at::Tensor& tensor : tensors) messages.keep(tensor);
    return messages;
  }

  /// Sends point-to-point messages instead of using MPI's collectives, whose counts and displacements have 32 bits, and
  /// which do not tell whose block is missing.
  std::unique_ptr<Transfer> post(const SendRecv& batch) override {
    MpiMessages messages = begin(batch.call, {});
    for (const Block& block : batch.receive) {
      messages.keep(block.data);
      messages.receive(bytes_of(block.data), block.rank);
    }
    for (const Block& block : batch.send) {
      messages.keep(block.data);
      messages.send(bytes_of(block.data), block.rank);
    }
    return std::make_unique<MpiTransfer>(std::move(messages), batch.received);
  }

  std::shared_ptr<MpiLink> link_;
  std::size_t longest_message_;
};

}  // namespace

std::unique_ptr<Communicator> mpi_communicator(MPI_Comm parent, const Waiting& waiting, std::size_t longest_message) {
  return std::make_unique<MpiCommunicator>(std::make_shared<MpiLink>(parent, all_ranks_of(parent), waiting),
                                           longest_message);
}

std::unique_ptr<Communicator> mpi_communicator(World& world, const Waiting& waiting) {
  return mpi_communicator(MPI_COMM_WORLD, world.watched(waiting));
}

}  // namespace wf
