// parallel/communicator.hpp: collective operations on tensors among a fixed set of ranks. One interface with two
// implementations: MPI for CPU tensors, NCCL for CUDA tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace wf {

/// Numbers of elements (or rows) for each rank of a communicator, in rank order.
using Counts = std::vector<std::int64_t>;

/// Contiguous memory that is sent to a rank, or received from it.
struct Block {
  int rank;
  at::Tensor data;
};
using Blocks = std::vector<Block>;

/// Blocks to send and to receive at once. The blocks that one rank sends to another match those that the other receives
/// from it, in order: the same number, of the same sizes. Empty blocks are not sent.
struct SendRecv {
  const char* call;  ///< name of the operation in error messages
  Blocks send, receive;
  at::Tensor received = {};  ///< what Transfer::wait() returns
};

/// Communication in flight. The destructor waits for it if wait() was not called, and logs its errors.
class Transfer {
 public:
  virtual ~Transfer() = default;
  /// Returns what was received, once it is complete. Call it once. Throws what Communicator throws.
  virtual at::Tensor wait() = 0;
};

/// A fixed set of ranks acting together. Every operation is collective: all ranks call it, in the same order, with the
/// same dtype. Tensors are contiguous, on the implementation's device, and unchanged until the operation is complete.
/// Throws Error(resource) that names the operation, the rank and the library's own error text, also when a peer does
/// not answer within the deadline; after an error the communicator cannot be used any more. One thread uses a
/// communicator at a time.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Whether its operations can be recorded and replayed (device_graph.hpp), barrier() apart. The same on all ranks.
  virtual bool can_be_recorded() const = 0;

  /// Starts sending and receiving; all operations below but broadcast and barrier are made of it. A rank's blocks for
  /// itself are copied while the others are in flight.
  std::unique_ptr<Transfer> start(SendRecv batch);

  /// send: [sum of `out`], the first out[0] elements for rank 0, the next out[1] for rank 1, ... The transfer returns
  /// [sum of `in`]: in[0] elements from rank 0, ... Counts may be 0 and differ between ranks, but in[r] on this rank is
  /// out[rank()] on rank r.
  std::unique_ptr<Transfer> start_all_to_all(const at::Tensor& send, const Counts& out, const Counts& in);
  /// Sends a tensor to rank `to` and receives [count] elements from rank `from`: one step around a ring.
  std::unique_ptr<Transfer> start_exchange(const at::Tensor& send, int to, std::int64_t count, int from);

  at::Tensor all_to_all(const at::Tensor& send, const Counts& out, const Counts& in) {
    return start_all_to_all(send, out, in)->wait();
  }
  /// shard [n of this rank, ...] -> [sum of rows, ...] in rank order. rows[r] is n of rank r.
  at::Tensor all_gather(const at::Tensor& shard, const Counts& rows);
  /// Overwrites `tensor` on every rank with that of rank `root`.
  virtual void broadcast(const at::Tensor& tensor, int root) = 0;
  virtual void barrier() = 0;

  /// A communicator over some of the ranks, in the order given. Only its members call, and no other rank is waited for,
  /// so that a group can be rebuilt after the loss of a rank.
  virtual std::unique_ptr<Communicator> subgroup(const std::vector<int>& members) const = 0;

 private:
  /// Starts to move the blocks, none of which is empty or for this rank. Blocks to send are ordered from the next rank
  /// on, blocks to receive from the previous rank back, so that not all ranks address the same one first.
  virtual std::unique_ptr<Transfer> post(const SendRecv& batch) = 0;
};

}  // namespace wf
