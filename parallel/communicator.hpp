// parallel/communicator.hpp: what ranks that act together say to each other. One interface, a twin for each medium.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace wf {

/// Elements for, or from, each rank of a communicator, in rank order.
using Counts = std::vector<std::int64_t>;

/// Contiguous memory that goes to, or comes from, a rank.
struct Block {
  int rank;
  at::Tensor data;
};
using Blocks = std::vector<Block>;

/// Blocks that travel at once. Those between two ranks are matched in their order: as many, of the same sizes, on both
/// sides. Empty ones do not travel.
struct Trade {
  const char* call;  ///< its name in errors
  Blocks out, in;
  at::Tensor received = {};  ///< what Transfer::wait() gives back
};

/// Communication under way. Dropped before wait(): it is waited for, and its errors are logged.
class Transfer {
 public:
  virtual ~Transfer() = default;
  /// What came in, once it is complete. Call it once. Throws what the communicator throws.
  virtual at::Tensor wait() = 0;
};

/// A fixed set of ranks acting together. Collective: every rank calls, in one order, with one dtype. Tensors are
/// contiguous, on the twin's device, and stay unchanged until the call's end. Throws Error(resource) naming the call,
/// the rank and the library's own words, also when a peer does not answer within the deadline; the communicator is of
/// no use after that.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// What all that moves is made of. A rank's own blocks are copied; the others are under way by then.
  std::unique_ptr<Transfer> start(Trade trade);

  /// send [sum of `out`]: out[0] elements for rank 0, out[1] for rank 1, ... Returns [sum of `in`], likewise. Counts
  /// may be 0, and differ between ranks: in[r] here is out[rank()] there.
  std::unique_ptr<Transfer> start_all_to_all(const at::Tensor& send, const Counts& out, const Counts& in);
  /// Sends a tensor to rank `to` while receiving [count] elements from rank `from`: one step around a ring.
  std::unique_ptr<Transfer> start_exchange(const at::Tensor& send, int to, std::int64_t count, int from);

  at::Tensor all_to_all(const at::Tensor& send, const Counts& out, const Counts& in) {
    return start_all_to_all(send, out, in)->wait();
  }
  /// shard [n_rank, ...] -> [sum of rows, ...] in rank order; rows[r] is rank r's n.
  at::Tensor all_gather(const at::Tensor& shard, const Counts& rows);
  /// `tensor` of rank `root` takes the place of everyone's, in place.
  virtual void broadcast(const at::Tensor& tensor, int root) = 0;
  virtual void barrier() = 0;

  /// Of a subset of the ranks, in the order given; only its members call. Never blocks on others, so a group can be
  /// rebuilt after a loss.
  virtual std::unique_ptr<Communicator> subgroup(const std::vector<int>& members) const = 0;

 private:
  /// Begins to move blocks to and from others, none of them empty: the next ranks' first among those that go, the
  /// previous ones' first among those that come, so that not all address the same.
  virtual std::unique_ptr<Transfer> post(const Trade& trade) = 0;
};

}  // namespace wf
