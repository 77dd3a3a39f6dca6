// parallel/sequence_parallel.hpp: attention over a sequence whose rows are divided over ranks. Each rank has some rows
// of q, k and v with all heads, in sequence order; the result has the same rows. Sources: DeepSpeed-Ulysses
// (head_exchange.hpp), and Ring Attention (keys and values go around a ring; results are merged by their log-sum-exp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "parallel/attention.hpp"
#include "parallel/communicator.hpp"
#include "parallel/head_exchange.hpp"
#include "parallel/shard.hpp"

namespace wf {

/// The ulysses x ring ranks over which a sequence is divided, as one of them sees them.
class SequenceGroup {
 public:
  /// whole: all ranks, in sequence order. ulysses: the ranks that exchange heads with this one, consecutive in the
  /// sequence. ring: the ranks with the same place in their Ulysses groups.
  SequenceGroup(std::shared_ptr<Communicator> whole, std::unique_ptr<HeadExchange> ulysses,
                std::shared_ptr<Communicator> ring);

  int size() const { return whole_->size(); }
  int rank() const { return whole_->rank(); }
  /// Whether attention over its rows can be recorded and replayed (device_graph.hpp).
  bool can_be_recorded() const;

  /// The rows that each rank owns of a sequence of `tokens` rows.
  std::vector<Range> rows(std::int64_t tokens) const { return split(tokens, size()); }
  /// The rows that this rank owns.
  Range own_rows(std::int64_t tokens) const { return rows(tokens)[static_cast<std::size_t>(rank())]; }

  /// Collective: this rank's rows [batch, own rows, n] -> all rows [batch, tokens, n].
  at::Tensor gather(const at::Tensor& own, std::int64_t tokens) const;

 private:
  friend class SequenceAttention;
  std::shared_ptr<Communicator> whole_, ring_;
  std::unique_ptr<HeadExchange> ulysses_;
};

/// Self-attention over a whole sequence, from this rank's rows. For each attention call, in this order,
///
///   begin()   returns the buffers for this rank's rows of q, k and v
///   send()    once for each of chunks(own rows), after that chunk has been written to the buffers
///   mix()     returns the attention's result for this rank's rows
///
/// Another order throws Error(internal). Collective over the ranks; throws what Communicator throws, and cannot be used
/// any more after an error. For one thread.
class SequenceAttention {
 public:
  /// For a rank that has all rows. local: the attention that it computes.
  SequenceAttention(Attention local) : local_(std::move(local)) {}  // NOLINT(google-explicit-constructor)
  /// For a sequence of `tokens` rows that is divided over `ranks`, which outlive this. local: the attention that each
  /// rank computes; with a ring it has to give its lse. chunk_ratio: HeadShape's.
  SequenceAttention(const SequenceGroup& ranks, std::int64_t tokens, Attention local, int chunk_ratio = 3);

  /// The buffers for this rank's rows of q, k and v, of the given dtype. like: a tensor [batch, own rows, n] on the
  /// same device.
  HeadBlocks begin(const at::Tensor& like, at::ScalarType dtype, std::int64_t heads, std::int64_t head_dim);
  /// The chunks of this rank's rows, in the order in which they are written and sent; some may be empty.
  std::vector<Range> chunks(std::int64_t own_rows) const;
  /// Sends the next chunk, which the current stream has written.
  void send();
  /// The result for this rank's rows: [batch, own rows, heads, head_dim].
  at::Tensor mix();

 private:
  at::Tensor receive();
  void give_back(const Range& chunk, const at::Tensor& results);
  std::function<at::Tensor(const at::Tensor& q)> attention_over(const at::Tensor& kv) const;

  Attention local_;
  HeadExchange* exchange_ = nullptr;  ///< null when this rank has all rows of its ring block
  Communicator* ring_ = nullptr;      ///< null when there is no ring
  std::vector<Range> rows_;           ///< rows of each rank that exchanges heads, counted within the ring block
  std::vector<Range> blocks_;         ///< rows of each rank of the ring: a block for each Ulysses group
  int chunk_ratio_ = 3;
  at::Device device_ = at::kCPU;
  at::Tensor qkv_;                 ///< the buffers when no heads are exchanged
  std::size_t unsent_chunks_ = 0;  ///< calls of send() left before mix()
  bool begun_ = false;             ///< between begin() and mix()
};

/// Ring attention: every rank keeps its queries, while keys and values go around. Collective. q: this rank's queries,
/// [batch, rows, heads, head_dim]; kv: keys and values of the same rows, [2, batch, rows, heads, head_dim]; rows: those
/// of each rank. `inner` has to give its lse. Returns [batch, rows, heads, head_dim], dtype of q.
at::Tensor ring_attention(Communicator& ranks, const std::vector<Range>& rows, const Attention& inner,
                          const at::Tensor& q, const at::Tensor& kv);

}  // namespace wf
