// parallel/sequence_parallel.hpp: attention over a sequence that is cut over ranks. Each rank has some rows of q, k and
// v with all heads, in sequence order; the result has the same rows. Sources: DeepSpeed-Ulysses (heads against rows,
// all-to-all), Ring Attention (keys and values around a ring, joined by their log-sum-exp).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "parallel/attention.hpp"
#include "parallel/communicator.hpp"
#include "parallel/shard.hpp"

namespace wf {

/// The ranks over which one sequence is cut: ulysses x ring, this rank being one of them.
class SequenceGroup {
 public:
  /// whole: all ranks, in sequence order; ulysses: those that exchange heads (consecutive in the sequence); ring: those
  /// with the same place in their Ulysses group.
  SequenceGroup(std::unique_ptr<Communicator> whole, std::unique_ptr<Communicator> ulysses,
                std::unique_ptr<Communicator> ring);

  int size() const { return whole_->size(); }
  int rank() const { return whole_->rank(); }

  /// The rows of a sequence that each rank owns, and this one.
  std::vector<Range> rows(std::int64_t tokens) const { return split(tokens, size()); }
  Range own_rows(std::int64_t tokens) const { return rows(tokens)[static_cast<std::size_t>(rank())]; }

  /// Attention over the whole sequence of `tokens` from this rank's rows, with `local` for what one rank computes.
  /// q, k, v: [batch, heads, own rows, head_dim]. Heads need not divide by the ranks: some own one more, some none.
  Attention attention(std::int64_t tokens, const Attention& local) const;

  /// This rank's rows [batch, own rows, n] -> all rows [batch, tokens, n].
  at::Tensor gather(const at::Tensor& own, std::int64_t tokens) const;

 private:
  std::unique_ptr<Communicator> whole_, ulysses_, ring_;
};

/// Heads against rows: with q, k and v packed into one all-to-all, each rank gets all rows of some heads, applies
/// `inner`, and gives the rows back. rows: of each rank of `ranks`. head_groups: in how many portions the heads are
/// exchanged, so that one portion travels while another is computed.
Attention ulysses_attention(Communicator& ranks, std::vector<Range> rows, Attention inner, int head_groups = 1);

/// Every rank keeps its queries; keys and values go around. rows: of each rank. `inner` gives its lse.
Attention ring_attention(Communicator& ranks, std::vector<Range> rows, Attention inner);

}  // namespace wf
