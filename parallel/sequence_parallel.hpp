// parallel/sequence_parallel.hpp: attention over a sequence that is cut over ranks. Each rank has some rows of q, k and
// v with all heads, in sequence order; the result has the same rows. Sources: DeepSpeed-Ulysses (head_exchange.hpp),
// Ring Attention (keys and values around a ring, joined by their log-sum-exp).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "parallel/attention.hpp"
#include "parallel/communicator.hpp"
#include "parallel/head_exchange.hpp"
#include "parallel/shard.hpp"

namespace wf {

/// The ranks over which one sequence is cut: ulysses x ring, this rank being one of them.
class SequenceGroup {
 public:
  /// whole: all ranks, in sequence order; ulysses: those that exchange heads (consecutive in the sequence); ring: those
  /// with the same place in their Ulysses group.
  SequenceGroup(std::shared_ptr<Communicator> whole, std::unique_ptr<HeadExchange> ulysses,
                std::shared_ptr<Communicator> ring);

  int size() const { return whole_->size(); }
  int rank() const { return whole_->rank(); }

  /// The rows of a sequence that each rank owns, and this one.
  std::vector<Range> rows(std::int64_t tokens) const { return split(tokens, size()); }
  Range own_rows(std::int64_t tokens) const { return rows(tokens)[static_cast<std::size_t>(rank())]; }

  /// This rank's rows [batch, own rows, n] -> all rows [batch, tokens, n].
  at::Tensor gather(const at::Tensor& own, std::int64_t tokens) const;

 private:
  friend class SequenceAttention;
  std::shared_ptr<Communicator> whole_, ring_;
  std::unique_ptr<HeadExchange> ulysses_;
};

/// Self-attention over a whole sequence from this rank's rows. Begin, write and send each portion, mix; then begin
/// again.
class SequenceAttention {
 public:
  /// One rank has all rows. `local`: what one rank computes.
  SequenceAttention(Attention local) : local_(std::move(local)) {}  // NOLINT(google-explicit-constructor)
  /// Collective over `ranks`, which outlive this; a sequence of so many tokens. With a ring, `local` gives its lse.
  SequenceAttention(const SequenceGroup& ranks, std::int64_t tokens, Attention local);

  /// Where to write this rank's rows of q, k and v, of that dtype. like: [batch, own rows, n], for its sizes and
  /// device.
  HeadBlocks begin(const at::Tensor& like, at::ScalarType dtype, std::int64_t heads, std::int64_t head_dim);
  /// Portions of the own rows, which are to be written in this order; some may be empty.
  std::vector<Range> portions(std::int64_t own_rows) const;
  /// The next portion has been written, and may travel.
  void send();
  /// [batch, own rows, heads, head_dim]
  at::Tensor mix();

 private:
  at::Tensor receive();
  void give_back(const Range& piece, const at::Tensor& results);
  at::Tensor attend(const at::Tensor& q, const at::Tensor& kv) const;

  Attention local_;
  HeadExchange* exchange_ = nullptr;  ///< none: this rank has all rows of its ring's block
  Communicator* ring_ = nullptr;
  std::vector<Range> rows_;    ///< of the ranks that exchange heads, in their block
  std::vector<Range> blocks_;  ///< of each rank of the ring
  at::Device device_ = at::kCPU;
  at::Tensor qkv_;  ///< where nothing travels
};

/// Every rank keeps its queries, keys and values go around. q: [batch, rows, heads, head_dim]; kv: keys and values of
/// the same rows, [2, batch, rows, heads, head_dim]; rows: of each rank. `inner` gives its lse. Returns the mixture.
at::Tensor ring_attention(Communicator& ranks, const std::vector<Range>& rows, const Attention& inner,
                          const at::Tensor& q, const at::Tensor& kv);

}  // namespace wf
