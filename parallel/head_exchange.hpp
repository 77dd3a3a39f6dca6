// parallel/head_exchange.hpp: Ulysses: ranks that have rows of all heads get all rows of some heads, and give the
// result back. Source: DeepSpeed-Ulysses. Heads need not divide by the ranks: some own one more, some none.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "parallel/communicator.hpp"
#include "parallel/shard.hpp"

namespace wf {

/// What one attention call is about, the same on all ranks of the exchange.
struct HeadShape {
  std::int64_t batch = 0, heads = 0, head_dim = 0;
  std::vector<Range> rows;  ///< of each rank
  at::TensorOptions options;
};

/// Room for a rank's rows of q, k and v: a block for each rank, with the heads that it will attend to,
/// [3, batch, rows, its heads, head_dim]. Heads are split(heads, ranks).
struct HeadBlocks {
  at::Tensor own;            ///< this rank's, which does not travel; its samples may lie apart
  at::Tensor others;         ///< those of the other ranks, each dense, one after another
  std::vector<Range> heads;  ///< of each rank
  int rank = 0;              ///< this one

  /// Around `own`; the others' are not initialised.
  static HeadBlocks make(const at::Tensor& own, std::int64_t heads, int rank, int ranks);
  at::Tensor of(int other) const;  ///< the block of any rank, a view

  std::int64_t batch() const { return own.size(1); }
  std::int64_t rows() const { return own.size(2); }
  std::int64_t head_dim() const { return own.size(4); }
  Range own_heads() const { return heads[static_cast<std::size_t>(rank)]; }
};

/// The ranks that exchange heads. Calls come in this order, once for each attention, and on all ranks alike.
class HeadExchange {
 public:
  virtual ~HeadExchange() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// The device's processors, where transfers leave them free to compute: then it pays to send piece by piece. Else 0.
  virtual int processors() const = 0;
  /// In which portions a rank with so many rows writes and sends them; some may be empty.
  std::vector<Range> portions(std::int64_t rows) const;

  /// Where this rank is to write its rows.
  virtual HeadBlocks begin(const HeadShape& shape) = 0;
  /// The next of portions(own rows), which has been written.
  virtual void send() = 0;
  /// All rows of this rank's heads: [3, batch, all rows, own heads, head_dim].
  virtual at::Tensor receive() = 0;
  /// Results for rows of a rank from `first_row` on: [batch, rows, own heads, head_dim], dense. Each other rank's come
  /// at once, this rank's own in any pieces. Nothing for ranks without rows.
  virtual void give_back(int to, std::int64_t first_row, const at::Tensor& results) = 0;
  /// This rank's rows of all heads: [batch, own rows, heads, head_dim]. Valid until the next begin().
  virtual at::Tensor collect() = 0;
};

/// to.copy_(from), [.., head_dim] both, in the widest pieces that heads of this size can be moved in.
void copy_heads(const at::Tensor& to, const at::Tensor& from);

/// In messages between ranks of any kind, wherever they are. processors: what processors() says.
std::unique_ptr<HeadExchange> message_exchange(std::shared_ptr<Communicator> ranks, int processors = 0);

/// In which pieces to attend to all rows, in this order, so that the last one, which has none but own rows, hides the
/// way of the others' results, and is as long as can be. A GPU works on tiles of rows of each head (of all samples),
/// one a processor at a time; more than one piece is made only where all together take no more turns than one. Pure.
std::vector<Range> attention_pieces(std::int64_t all_rows, const Range& own, std::int64_t heads, int processors);

}  // namespace wf
