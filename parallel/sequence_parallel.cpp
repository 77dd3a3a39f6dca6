#include "parallel/sequence_parallel.hpp"

#include <ATen/ATen.h>

#include <numeric>
#include <utility>

namespace wf {
namespace {

using Sizes = std::vector<std::int64_t>;

std::int64_t total(const std::vector<Range>& ranges) {
  return std::accumulate(ranges.begin(), ranges.end(), std::int64_t{0},
                         [](std::int64_t sum, const Range& range) { return sum + range.size; });
}

/// Counts for each rank: `unit` elements for everything of the range.
Counts counts_of(const std::vector<Range>& ranges, std::int64_t unit) {
  Counts counts;
  for (const Range& range : ranges) counts.push_back(range.size * unit);
  return counts;
}

/// The parts of `x` that belong to the ranges of dimension `dim`, one after another as flat memory.
at::Tensor flat_parts(const at::Tensor& x, std::int64_t dim, const std::vector<Range>& ranges) {
  std::vector<at::Tensor> parts;
  for (const Range& range : ranges) parts.push_back(x.narrow(dim, range.begin, range.size).reshape({-1}));
  return at::cat(parts);
}

/// The way back: flat parts of sizes like `shape`, but for dimension `dim`, joined along it.
at::Tensor joined(const at::Tensor& flat, Sizes shape, std::int64_t dim, const std::vector<Range>& ranges) {
  std::vector<at::Tensor> parts;
  std::int64_t begin = 0;
  for (const Range& range : ranges) {
    shape[static_cast<std::size_t>(dim)] = range.size;
    const std::int64_t count = c10::multiply_integers(shape);
    parts.push_back(flat.narrow(0, begin, count).view(shape));
    begin += count;
  }
  return at::cat(parts, dim);
}

/// Some of the heads on their way around: which of them each rank computes. Positions are within the portion.
struct Portion {
  Range heads;
  std::vector<Range> by_rank;
};

std::vector<Portion> portions_of(std::int64_t heads, int ranks, int groups) {
  std::vector<Portion> portions;
  for (const Range& part : split(heads, groups)) {
    if (part.size > 0) portions.push_back({part, split(part.size, ranks)});
  }
  return portions;
}

/// One attention call over a Ulysses group.
class Ulysses {
 public:
  Ulysses(Communicator& ranks, const std::vector<Range>& rows, const Attention& inner, const at::Tensor& q,
          bool with_lse)
      : ranks_(ranks),
        me_(static_cast<std::size_t>(ranks.rank())),
        rows_(rows),
        inner_(inner),
        batch_(q.size(0)),
        head_dim_(q.size(3)),
        with_lse_(with_lse) {}

  AttentionResult run(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                      const std::vector<Portion>& portions) const {
    const at::Tensor qkv = at::stack({q, k, v});  // [3, batch, heads, own rows, head_dim]
    std::vector<std::unique_ptr<Transfer>> outs, lses;
    std::unique_ptr<Transfer> coming = send_heads(qkv, portions.front());
    for (std::size_t i = 0; i < portions.size(); ++i) {
      const at::Tensor rows = coming->wait();
      if (i + 1 < portions.size()) coming = send_heads(qkv, portions[i + 1]);  // travels while this one is computed
      const AttentionResult result = compute(rows, portions[i], q.scalar_type());
      outs.push_back(give_back(result.out, portions[i]));
      if (with_lse_) lses.push_back(give_back(result.lse.unsqueeze(-1), portions[i]));
    }
    return {collect(outs, portions, head_dim_), with_lse_ ? collect(lses, portions, 1).squeeze(-1) : at::Tensor()};
  }

 private:
  std::int64_t own_rows() const { return rows_[me_].size; }

  std::unique_ptr<Transfer> send_heads(const at::Tensor& qkv, const Portion& portion) const {
    const at::Tensor heads = qkv.narrow(2, portion.heads.begin, portion.heads.size);
    const std::int64_t own_heads = portion.by_rank[me_].size, unit = 3 * batch_ * head_dim_;
    return ranks_.start_all_to_all(flat_parts(heads, 2, portion.by_rank), counts_of(portion.by_rank, unit * own_rows()),
                                   counts_of(rows_, unit * own_heads));
  }

  /// All rows of the heads that are this rank's.
  AttentionResult compute(const at::Tensor& received, const Portion& portion, at::ScalarType dtype) const {
    const std::int64_t heads = portion.by_rank[me_].size, tokens = total(rows_);
    if (heads == 0)
      return {at::empty({batch_, 0, tokens, head_dim_}, received.options().dtype(dtype)),
              at::empty({batch_, 0, tokens}, received.options().dtype(at::kFloat))};
    const at::Tensor qkv = joined(received, {3, batch_, heads, 0, head_dim_}, 3, rows_);
    return inner_(qkv[0], qkv[1], qkv[2], with_lse_);
  }

  /// x [batch, own heads, tokens, n]: every rank gets its rows of them.
  std::unique_ptr<Transfer> give_back(const at::Tensor& x, const Portion& portion) const {
    const std::int64_t unit = batch_ * x.size(3), own_heads = portion.by_rank[me_].size;
    return ranks_.start_all_to_all(flat_parts(x, 2, rows_), counts_of(rows_, unit * own_heads),
                                   counts_of(portion.by_rank, unit * own_rows()));
  }

  /// [batch, heads, own rows, n] from all portions and ranks.
  at::Tensor collect(std::vector<std::unique_ptr<Transfer>>& transfers, const std::vector<Portion>& portions,
                     std::int64_t n) const {
    std::vector<at::Tensor> heads;
    for (std::size_t i = 0; i < portions.size(); ++i)
      heads.push_back(joined(transfers[i]->wait(), {batch_, 0, own_rows(), n}, 1, portions[i].by_rank));
    return at::cat(heads, 1);
  }

  Communicator& ranks_;
  std::size_t me_;
  const std::vector<Range>& rows_;
  const Attention& inner_;
  std::int64_t batch_, head_dim_;
  bool with_lse_;
};

/// What a rank has seen of the keys so far, in f32: rounding at every merge would add up.
class Merged {
 public:
  void add(const AttentionResult& result) {
    const AttentionResult wide{result.out.to(at::kFloat), result.lse};
    sum_ = sum_.out.defined() ? merge(sum_, wide) : wide;
  }
  /// `like`: the queries. A rank without rows has seen nothing.
  AttentionResult result(const at::Tensor& like) const {
    if (sum_.out.defined()) return {sum_.out.to(like.scalar_type()), sum_.lse};
    return {at::empty_like(like), at::empty(like.sizes().slice(0, 3), like.options().dtype(at::kFloat))};
  }

 private:
  AttentionResult sum_;
};

}  // namespace

Attention ulysses_attention(Communicator& ranks, std::vector<Range> rows, Attention inner, int head_groups) {
  return [&ranks, rows = std::move(rows), inner = std::move(inner), head_groups](
             const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool with_lse) {
    return Ulysses(ranks, rows, inner, q, with_lse).run(q, k, v, portions_of(q.size(1), ranks.size(), head_groups));
  };
}

Attention ring_attention(Communicator& ranks, std::vector<Range> rows, Attention inner) {
  return [&ranks, rows = std::move(rows), inner = std::move(inner)](const at::Tensor& q, const at::Tensor& k,
                                                                    const at::Tensor& v, bool) {
    const int size = ranks.size(), me = ranks.rank();
    const auto owner_after = [&](int steps) { return static_cast<std::size_t>((me - steps + size) % size); };
    at::Tensor kv = at::stack({k, v});  // [2, batch, heads, rows of their owner, head_dim]
    Sizes shape = kv.sizes().vec();
    Merged merged;
    for (int step = 0; step < size; ++step) {
      std::unique_ptr<Transfer> coming;
      shape[3] = rows[owner_after(step + 1)].size;
      if (step + 1 < size)
        coming = ranks.start_exchange(kv, (me + 1) % size, c10::multiply_integers(shape), (me - 1 + size) % size);
      if (q.size(2) > 0 && kv.size(3) > 0) merged.add(inner(q, kv[0], kv[1], /*with_lse=*/true));
      if (coming) kv = coming->wait().view(shape);
    }
    return merged.result(q);
  };
}

SequenceGroup::SequenceGroup(std::unique_ptr<Communicator> whole, std::unique_ptr<Communicator> ulysses,
                             std::unique_ptr<Communicator> ring)
    : whole_(std::move(whole)), ulysses_(std::move(ulysses)), ring_(std::move(ring)) {}

Attention SequenceGroup::attention(std::int64_t tokens, const Attention& local) const {
  // A Ulysses group owns one block of consecutive rows; the blocks follow each other around the ring.
  const std::vector<Range> all = rows(tokens);
  const auto in_block = static_cast<std::ptrdiff_t>(ulysses_->size());
  std::vector<Range> blocks;
  for (auto first = all.begin(); first != all.end(); first += in_block)
    blocks.push_back({first->begin, total({first, first + in_block})});
  const auto own = all.begin() + in_block * ring_->rank();
  std::vector<Range> rows_in_block(own, own + in_block);
  for (Range& range : rows_in_block) range.begin -= blocks[static_cast<std::size_t>(ring_->rank())].begin;
  const Attention over_keys = ring_->size() > 1 ? ring_attention(*ring_, blocks, local) : local;
  return ulysses_->size() > 1 ? ulysses_attention(*ulysses_, rows_in_block, over_keys) : over_keys;
}

at::Tensor SequenceGroup::gather(const at::Tensor& own, std::int64_t tokens) const {
  if (size() == 1) return own;
  const at::Tensor rows_first = own.transpose(0, 1).contiguous();
  return whole_->all_gather(rows_first, sizes(rows(tokens))).transpose(0, 1);
}

}  // namespace wf
