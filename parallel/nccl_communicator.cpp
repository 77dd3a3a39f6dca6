#include "parallel/nccl_communicator.hpp"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <numeric>
#include <utility>

#include "cluster/error.hpp"
#include "parallel/nccl_link.hpp"

namespace wf {
namespace {

std::int64_t sum(const Counts& counts) { return std::accumulate(counts.begin(), counts.end(), std::int64_t{0}); }

class NcclTransfer final : public Transfer {
 public:
  NcclTransfer(std::shared_ptr<NcclLink> link, std::shared_ptr<NcclOperation> operation, at::Tensor received)
      : link_(std::move(link)), operation_(std::move(operation)), received_(std::move(received)) {}
  /// What was sent may be overwritten by the current stream from now on, also when nobody has waited.
  ~NcclTransfer() override {
    try {
      if (received_.defined()) order();
    } catch (const std::exception& error) {
      spdlog::error("{}", error.what());
    }
  }
  at::Tensor wait() override {
    link_->check();
    order();
    return std::move(received_);
  }

 private:
  void order() { operation_->end.block(c10::cuda::getCurrentCUDAStream(link_->common()->gpu.index())); }

  std::shared_ptr<NcclLink> link_;
  std::shared_ptr<NcclOperation> operation_;
  at::Tensor received_;
};

/// NCCL's name for a group to be: made by its first rank, told to all by the twin.
ncclUniqueId agree_on_id(Communicator& host) {
  ncclUniqueId id{};
  if (host.size() == 1) return id;
  if (host.rank() == 0) {
    const ncclResult_t code = ncclGetUniqueId(&id);
    if (code != ncclSuccess)
      throw Error(Error::resource,
                  fmt::format("ncclGetUniqueId: {}: {}", ncclGetErrorString(code), ncclGetLastError(nullptr)));
  }
  host.broadcast(at::from_blob(&id, {static_cast<std::int64_t>(sizeof(id))}, at::kByte), 0);
  return id;
}

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(std::unique_ptr<Communicator> host, std::shared_ptr<NcclCommon> common, std::vector<int> names)
      : host_(std::move(host)),
        link_(std::make_shared<NcclLink>(std::move(common), agree_on_id(*host_), host_->rank(), std::move(names))) {}

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }

  std::unique_ptr<Transfer> start_all_to_all(const at::Tensor& send, const Counts& out, const Counts& in) override {
    const at::Tensor received = at::empty({sum(in)}, send.options());
    return trade("all_to_all", {send.split_with_sizes(out), received.split_with_sizes(in)}, send, received);
  }

  std::unique_ptr<Transfer> start_exchange(const at::Tensor& send, int to, std::int64_t count, int from) override {
    const at::Tensor received = at::empty({count}, send.options());
    Blocks blocks{std::vector<at::Tensor>(ranks()), std::vector<at::Tensor>(ranks())};
    blocks.out.at(static_cast<std::size_t>(to)) = send.view({-1});
    blocks.in.at(static_cast<std::size_t>(from)) = received;
    return trade("exchange", blocks, send, received);
  }

  at::Tensor all_gather(const at::Tensor& shard, const Counts& rows) override {
    std::vector<std::int64_t> shape = shard.sizes().vec();
    shape.at(0) = sum(rows);
    const at::Tensor whole = at::empty(shape, shard.options());
    const Blocks blocks{std::vector<at::Tensor>(ranks(), shard), whole.split_with_sizes(rows)};
    return trade("all_gather", blocks, shard, whole)->wait();
  }

  void broadcast(const at::Tensor& tensor, int root) override {
    const bool alone = size() == 1 || tensor.numel() == 0;
    start("broadcast", alone ? std::set<int>{} : others(), {tensor}, [&](ncclComm_t comm, cudaStream_t stream) {
      return ncclBroadcast(tensor.data_ptr(), tensor.data_ptr(), tensor.nbytes(), ncclUint8, root, comm, stream);
    })->end.block(c10::cuda::getCurrentCUDAStream(gpu().index()));
  }

  void barrier() override {
    const at::Tensor word = at::zeros({1}, at::device(gpu()).dtype(at::kByte));
    link_->finish(*start("barrier", others(), {word}, [&](ncclComm_t comm, cudaStream_t stream) {
      return ncclAllReduce(word.data_ptr(), word.data_ptr(), 1, ncclUint8, ncclMax, comm, stream);
    }));
  }

  std::unique_ptr<Communicator> subgroup(const std::vector<int>& members) const override {
    std::vector<int> names;
    for (const int member : members) names.push_back(name(static_cast<std::size_t>(member)));
    return std::make_unique<NcclCommunicator>(host_->subgroup(members), link_->common(), std::move(names));
  }

 private:
  /// What goes to, and comes from, each rank. Undefined where nothing does.
  struct Blocks {
    std::vector<at::Tensor> out, in;
  };

  std::size_t ranks() const { return static_cast<std::size_t>(size()); }
  at::Device gpu() const { return link_->common()->gpu; }
  int name(std::size_t rank) const { return link_->names()[rank]; }
  std::set<int> others() const {
    std::set<int> names(link_->names().begin(), link_->names().end());
    names.erase(name(static_cast<std::size_t>(rank())));
    return names;
  }

  std::shared_ptr<NcclOperation> start(const char* call, std::set<int> peers, std::initializer_list<at::Tensor> tensors,
                                       const NcclLink::Post& post) {
    for (const at::Tensor& tensor : tensors) {
      TORCH_INTERNAL_ASSERT(tensor.device() == gpu() && tensor.is_contiguous());
      tensor.record_stream(link_->common()->stream);  // its memory is not given to others before the stream got here
    }
    return link_->start(call, std::move(peers), post);
  }

  /// The own block is copied by the current stream, beside those that travel.
  std::unique_ptr<Transfer> trade(const char* call, const Blocks& blocks, const at::Tensor& sent,
                                  const at::Tensor& received) {
    const auto own = static_cast<std::size_t>(rank());
    std::set<int> peers;
    for (std::size_t other = 0; other < ranks(); ++other)
      if (other != own && (has(blocks.out[other]) || has(blocks.in[other]))) peers.insert(name(other));
    auto operation = start(call, peers, {sent, received},
                           [&](ncclComm_t comm, cudaStream_t stream) { return post(blocks, comm, stream); });
    if (has(blocks.in[own])) blocks.in[own].copy_(blocks.out[own]);
    return std::make_unique<NcclTransfer>(link_, std::move(operation), received);
  }

  static bool has(const at::Tensor& block) { return block.defined() && block.numel() > 0; }

  /// A message to and from each other rank that there is something for, or from.
  ncclResult_t post(const Blocks& blocks, ncclComm_t comm, cudaStream_t stream) const {
    ncclResult_t code = ncclSuccess;
    const auto well = [&] { return code == ncclSuccess || code == ncclInProgress; };
    for (int step = 1; step < size(); ++step) {
      const int to = (rank() + step) % size(), from = (rank() + size() - step) % size();
      const at::Tensor& out = blocks.out[static_cast<std::size_t>(to)];
      const at::Tensor& in = blocks.in[static_cast<std::size_t>(from)];
      if (well() && has(out)) code = ncclSend(out.data_ptr(), out.nbytes(), ncclUint8, to, comm, stream);
      if (well() && has(in)) code = ncclRecv(in.data_ptr(), in.nbytes(), ncclUint8, from, comm, stream);
    }
    return code;
  }

  std::unique_ptr<Communicator> host_;
  std::shared_ptr<NcclLink> link_;
};

}  // namespace

std::unique_ptr<Communicator> nccl_communicator(std::unique_ptr<Communicator> host, at::Device gpu,
                                                const NcclWaiting& waiting, std::vector<int> names) {
  setenv("NCCL_NVLS_ENABLE", "0", /*overwrite=*/0);
  if (names.empty()) {
    names.resize(static_cast<std::size_t>(host->size()));
    std::iota(names.begin(), names.end(), 0);
  }
  TORCH_INTERNAL_ASSERT(gpu.has_index() && std::ssize(names) == host->size());
  return std::make_unique<NcclCommunicator>(std::move(host), std::make_shared<NcclCommon>(gpu, waiting),
                                            std::move(names));
}

std::string nccl_library() {
  int version = 0;
  if (ncclGetVersion(&version) != ncclSuccess) return "NCCL";
  return fmt::format("NCCL {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace wf
