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

/// The bytes for, or from, each rank: counts[r] units of so many bytes.
std::vector<Bytes> blocks(const at::Tensor& tensor, const Counts& counts, std::size_t unit) {
  const Bytes all = bytes_of(tensor);
  std::vector<Bytes> result;
  std::size_t begin = 0;
  for (const std::int64_t count : counts) {
    const std::size_t size = static_cast<std::size_t>(count) * unit;
    TORCH_INTERNAL_ASSERT(begin + size <= all.size());
    result.push_back(all.subspan(begin, size));
    begin += size;
  }
  TORCH_INTERNAL_ASSERT(begin == all.size());
  return result;
}

std::int64_t sum(const Counts& counts) { return std::accumulate(counts.begin(), counts.end(), std::int64_t{0}); }

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

  std::unique_ptr<Transfer> start_all_to_all(const at::Tensor& send, const Counts& out, const Counts& in) override {
    const at::Tensor received = at::empty({sum(in)}, send.options());
    MpiMessages messages = begin("all_to_all", {send, received});
    trade(messages, blocks(send, out, send.itemsize()), blocks(received, in, send.itemsize()));
    return std::make_unique<MpiTransfer>(std::move(messages), received);
  }

  std::unique_ptr<Transfer> start_exchange(const at::Tensor& send, int to, std::int64_t count, int from) override {
    const at::Tensor received = at::empty({count}, send.options());
    MpiMessages messages = begin("exchange", {send, received});
    messages.receive(bytes_of(received), from);
    messages.send(bytes_of(send), to);
    return std::make_unique<MpiTransfer>(std::move(messages), received);
  }

  at::Tensor all_gather(const at::Tensor& shard, const Counts& rows) override {
    std::vector<std::int64_t> shape = shard.sizes().vec();
    shape.at(0) = sum(rows);
    const at::Tensor whole = at::empty(shape, shard.options());
    const auto row = static_cast<std::size_t>(c10::multiply_integers(shape.begin() + 1, shape.end()));
    MpiMessages messages = begin("all_gather", {shard, whole});
    trade(messages, std::vector<Bytes>(rows.size(), bytes_of(shard)), blocks(whole, rows, row * shard.itemsize()));
    messages.wait();
    return whole;
  }

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

  /// A block to and from each rank, in messages of their own rather than by MPI's collectives: those count and place in
  /// 32 bits, and would not tell whose block is missing. Each rank begins with the next one, so that not all address
  /// the same.
  void trade(MpiMessages& messages, const std::vector<Bytes>& out, const std::vector<Bytes>& in) {
    TORCH_INTERNAL_ASSERT(std::ssize(out) == size() && std::ssize(in) == size());
    const auto own = static_cast<std::size_t>(rank()), ranks = static_cast<std::size_t>(size());
    TORCH_INTERNAL_ASSERT(out[own].size() == in[own].size());
    for (std::size_t step = 1; step < ranks; ++step) {
      const std::size_t from = (own + ranks - step) % ranks;
      messages.receive(in[from], static_cast<int>(from));
    }
    for (std::size_t step = 1; step < ranks; ++step) {
      const std::size_t to = (own + step) % ranks;
      messages.send(out[to], static_cast<int>(to));
    }
    std::copy(out[own].begin(), out[own].end(), in[own].begin());
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
