// parallel/head_exchange.hpp: the all-to-all of Ulysses attention: each rank has some rows of all heads, gets all rows
// of some heads, and gives the attention's results back. Source: DeepSpeed-Ulysses. The number of heads need not be a
// multiple of the number of ranks: some ranks may own one head more than others, or none.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "parallel/communicator.hpp"
#include "parallel/shard.hpp"

namespace wf {

/// The sizes of one attention call, the same on all ranks of an exchange.
struct HeadShape {
  std::int64_t batch = 0, heads = 0, head_dim = 0;
  std::vector<Range> rows;  ///< each rank's rows of the sequence
  at::TensorOptions options;
  int chunk_ratio = 3;  ///< how many times longer it takes to compute rows than to send them: see shrinking()
};

/// Buffers for this rank's rows of q, k and v, cut into one block per rank: the block of rank i holds the heads that
/// rank i attends to, [3, batch, rows, heads of rank i, head_dim]. share_of(heads, ranks, rank) divides the heads.
struct HeadBlocks {
  at::Tensor own;            ///< this rank's own block, not sent; its samples need not be adjacent in memory
  at::Tensor others;         ///< the blocks of the other ranks, each dense, in rank order
  std::vector<Range> heads;  ///< each rank's heads
  int rank = 0;              ///< this rank

  /// Blocks around `own`. Those of the other ranks are allocated, not initialised.
  static HeadBlocks make(const at::Tensor& own, std::int64_t heads, int rank, int ranks);
  at::Tensor of(int other) const;  ///< the block of any rank, a view

  std::int64_t batch() const { return own.size(1); }
  std::int64_t rows() const { return own.size(2); }
  std::int64_t head_dim() const { return own.size(4); }
  Range own_heads() const { return heads[static_cast<std::size_t>(rank)]; }
};

/// The ranks that exchange heads. For each attention, every rank makes these calls in this order:
///
///   begin()       returns the buffers for this rank's rows
///   send()        once for each of chunks(own rows), after that chunk has been written
///   receive()     returns all rows of this rank's heads
///   give_back()   as often as it takes to give back the results of all rows of the sequence
///   collect()     returns this rank's rows of all heads
///
/// Another order throws Error(internal). What the communicator throws passes through; after an error the exchange
/// cannot be used any more. For one thread.
class HeadExchange {
 public:
  virtual ~HeadExchange() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// The number of the device's multiprocessors if transfers leave all of them free for kernels, so that sending in
  /// chunks pays; otherwise 0.
  virtual int processors() const = 0;
  /// Whether calls can be recorded and replayed (device_graph.hpp). The same on all ranks.
  virtual bool can_be_recorded() const = 0;
  /// The chunks in which a rank with `rows` rows writes and sends them in the call begun last, in order. A chunk may be
  /// empty.
  std::vector<Range> chunks(std::int64_t rows) const;

  /// The buffers that this rank writes its rows into.
  HeadBlocks begin(const HeadShape& shape);
  /// Sends the next one of chunks(own rows), which the current stream has written.
  void send();
  /// All rows of this rank's heads, [3, batch, all rows, own heads, head_dim].
  at::Tensor receive();
  /// Gives back the results for rows of rank `to`, counted from its row `first_row`: [batch, rows, own heads,
  /// head_dim], dense within each sample. All rows of another rank must be given back in one call, this rank's own rows
  /// may be split over several. Not to be called for a rank without rows.
  void give_back(int to, std::int64_t first_row, const at::Tensor& results);
  /// This rank's rows of all heads, [batch, own rows, heads, head_dim]. Valid until the next begin().
  at::Tensor collect();

 private:
  // What the calls above do once their order is checked.
  virtual HeadBlocks start_attention(const HeadShape& shape) = 0;
  virtual void send_chunk() = 0;
  virtual at::Tensor receive_rows() = 0;
  virtual void return_results(int to, std::int64_t first_row, const at::Tensor& results) = 0;
  virtual at::Tensor collect_results() = 0;

  enum class Phase { idle, sending, attending };
  Phase phase_ = Phase::idle;
  int chunk_ratio_ = 3;  ///< of the call begun last
  std::size_t unsent_chunks_ = 0;
  std::int64_t rows_to_give_back_ = 0;
};

/// to.copy_(from), both [..., head_dim], but moving the widest elements that head_dim allows, which is faster for small
/// heads.
void copy_heads(const at::Tensor& to, const at::Tensor& from);

/// An exchange over a communicator's messages, which works wherever its ranks are. processors: what
/// HeadExchange::processors() is to return.
std::unique_ptr<HeadExchange> message_exchange(std::shared_ptr<Communicator> ranks, int processors = 0);

/// The chunks of rows to attend to, in this order. The last chunk holds only this rank's own rows, so that its
/// computation hides the transfer of the other ranks' results; it is as long as possible. A GPU computes attention in
/// tiles of rows of one head, one tile per multiprocessor at a time; chunks are chosen so that together they take no
/// more rounds of tiles than one chunk of all rows, and are one chunk where that is impossible or `processors` is 0.
/// heads: heads times samples. Pure.
std::vector<Range> attention_chunks(std::int64_t all_rows, const Range& own, std::int64_t heads, int processors);

}  // namespace wf
