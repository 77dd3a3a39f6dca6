#include "parallel/sequence_parallel.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/check.hpp"
#include "parallel/device_span.hpp"

namespace wf {
namespace {

std::int64_t total(const std::vector<Range>& ranges) {
  return std::accumulate(ranges.begin(), ranges.end(), std::int64_t{0},
                         [](std::int64_t sum, const Range& range) { return sum + range.size; });
}

/// Swaps rows and heads: attention backends take and give heads before rows.
at::Tensor heads_first(const at::Tensor& x) { return x.transpose(1, 2); }

/// For keys and values that travel in their own dtype.
KeyPacking as_they_are(const Attention& attention) {
  return {.pack = [](const at::Tensor& kv) { return kv.view(-1); },
          .numel = [](at::IntArrayRef sizes) { return c10::multiply_integers(sizes); },
          .over =
              [attention](const at::Tensor& packed, at::IntArrayRef sizes) {
                const at::Tensor kv = packed.view(sizes);
                return attention.over(heads_first(kv[0]), heads_first(kv[1]));
              }};
}

/// The merged result over the keys that a rank has seen so far, in f32: rounding at every merge would add up.
class Merged {
 public:
  void add(const AttentionResult& result) {
    const AttentionResult wide{result.out.to(at::kFloat), result.lse};
    sum_ = sum_.out.defined() ? merge(sum_, wide) : wide;
  }
  /// The result in the dtype of the queries `like`. A rank without rows has merged nothing.
  at::Tensor result(const at::Tensor& like) const {
    return sum_.out.defined() ? heads_first(sum_.out).to(like.scalar_type()) : at::empty_like(like);
  }

 private:
  AttentionResult sum_;
};

}  // namespace

at::Tensor ring_attention(Communicator& ranks, const std::vector<Range>& rows, const Attention& inner,
                          const at::Tensor& q, const at::Tensor& kv) {
  const int size = ranks.size(), me = ranks.rank();
  const KeyPacking packing = inner.packing() ? *inner.packing() : as_they_are(inner);
  std::vector<std::int64_t> shape = kv.sizes().vec();
  at::Tensor current = packing.pack(kv);
  Merged merged;
  for (int step = 0; step < size; ++step) {
    std::unique_ptr<Transfer> coming;
    std::vector<std::int64_t> next = shape;
    next[2] = rows[static_cast<std::size_t>((me - step - 1 + size) % size)].size;
    if (step + 1 < size)
      coming = ranks.start_exchange(current, (me + 1) % size, packing.numel(next), (me - 1 + size) % size);
    if (q.numel() > 0 && shape[2] > 0) merged.add(packing.over(current, shape)(heads_first(q), /*with_lse=*/true));
    if (coming) {
      const DeviceSpan span(q.device(), "GPU", "wait", "keys and values");
      current = coming->wait();
    }
    shape = next;
  }
  return merged.result(q);
}

// ---- The group

SequenceGroup::SequenceGroup(std::shared_ptr<Communicator> whole, std::unique_ptr<HeadExchange> ulysses,
                             std::shared_ptr<Communicator> ring)
    : whole_(std::move(whole)), ring_(std::move(ring)), ulysses_(std::move(ulysses)) {}

bool SequenceGroup::can_be_recorded() const {
  return (ulysses_->size() == 1 || ulysses_->can_be_recorded()) && (ring_->size() == 1 || ring_->can_be_recorded());
}

at::Tensor SequenceGroup::gather(const at::Tensor& own, std::int64_t tokens) const {
  if (size() == 1) return own;
  const DeviceSpan span(own.device(), "GPU", "wait", "all rows");
  const at::Tensor rows_first = own.transpose(0, 1).contiguous();
  return whole_->all_gather(rows_first, sizes(rows(tokens))).transpose(0, 1);
}

// ---- Attention over its rows

SequenceAttention::SequenceAttention(const SequenceGroup& ranks, std::int64_t tokens, Attention local, int chunk_ratio)
    : local_(std::move(local)), chunk_ratio_(chunk_ratio) {
  // A Ulysses group owns one block of consecutive rows; the blocks follow each other around the ring.
  const std::vector<Range> all = ranks.rows(tokens);
  const auto in_block = static_cast<std::ptrdiff_t>(ranks.ulysses_->size());
  for (auto first = all.begin(); first != all.end(); first += in_block)
    blocks_.push_back({first->begin, total({first, first + in_block})});
  const auto own = all.begin() + in_block * ranks.ring_->rank();
  rows_.assign(own, own + in_block);
  for (Range& range : rows_) range.begin -= own->begin;
  if (ranks.ulysses_->size() > 1) exchange_ = ranks.ulysses_.get();
  if (ranks.ring_->size() > 1) ring_ = ranks.ring_.get();
}

HeadBlocks SequenceAttention::begin(const at::Tensor& like, at::ScalarType dtype, std::int64_t heads,
                                    std::int64_t head_dim) {
  WF_CHECK(!begun_);
  const std::int64_t batch = like.size(0);
  const at::TensorOptions options = like.options().dtype(dtype);
  device_ = like.device();
  unsent_chunks_ = chunks(like.size(1)).size();
  begun_ = true;
  if (exchange_)
    return exchange_->begin({.batch = batch,
                             .heads = heads,
                             .head_dim = head_dim,
                             .rows = rows_,
                             .options = options,
                             .chunk_ratio = chunk_ratio_});
  qkv_ = at::empty({3, batch, like.size(1), heads, head_dim}, options);
  return HeadBlocks::make(qkv_, heads, /*rank=*/0, /*ranks=*/1);
}

std::vector<Range> SequenceAttention::chunks(std::int64_t own_rows) const {
  return exchange_ ? exchange_->chunks(own_rows) : std::vector<Range>{{0, own_rows}};
}

void SequenceAttention::send() {
  WF_CHECK(begun_ && unsent_chunks_ > 0);
  --unsent_chunks_;
  if (exchange_) exchange_->send();
}

/// The attention of queries to the keys and values kv [2, batch, keys, heads, head_dim].
std::function<at::Tensor(const at::Tensor& q)> SequenceAttention::attention_over(const at::Tensor& kv) const {
  if (ring_) return [this, kv](const at::Tensor& q) { return ring_attention(*ring_, blocks_, local_, q, kv); };
  if (kv.numel() == 0) return [](const at::Tensor& q) { return at::empty_like(q); };
  return [attention = local_.over(heads_first(kv[0]), heads_first(kv[1]))](const at::Tensor& q) {
    return q.numel() == 0 ? at::empty_like(q) : heads_first(attention(heads_first(q), /*with_lse=*/false).out);
  };
}

at::Tensor SequenceAttention::receive() {
  const DeviceSpan span(device_, "GPU", "wait", "rows of own heads");
  return exchange_->receive();
}

/// Gives the results of a chunk of rows to the ranks that own them. Begins with the next rank, so that not all ranks
/// send to the same one at once.
void SequenceAttention::give_back(const Range& chunk, const at::Tensor& results) {
  const int ranks = exchange_->size();
  for (int step = 1; step <= ranks; ++step) {
    const int to = (exchange_->rank() + step) % ranks;
    const Range& rows = rows_[static_cast<std::size_t>(to)];
    const std::int64_t begin = std::max(rows.begin, chunk.begin), end = std::min(rows.end(), chunk.end());
    if (begin < end) exchange_->give_back(to, begin - rows.begin, results.narrow(1, begin - chunk.begin, end - begin));
  }
}

at::Tensor SequenceAttention::mix() {
  WF_CHECK(begun_ && unsent_chunks_ == 0);
  begun_ = false;
  if (!exchange_) {
    const at::Tensor qkv = std::exchange(qkv_, {});
    return attention_over(qkv.narrow(0, 1, 2))(qkv[0]);
  }
  const at::Tensor qkv = receive(), q = qkv[0];
  const Range& own = rows_[static_cast<std::size_t>(exchange_->rank())];
  // With a ring, attention goes around once, for all rows in one chunk.
  const int processors = ring_ ? 0 : exchange_->processors();
  const auto attend = attention_over(qkv.narrow(0, 1, 2));
  for (const Range& chunk : attention_chunks(q.size(1), own, q.size(0) * q.size(2), processors))
    give_back(chunk, attend(q.narrow(1, chunk.begin, chunk.size)).contiguous());
  const DeviceSpan span(q.device(), "GPU", "wait", "results of other heads");
  return exchange_->collect();
}

}  // namespace wf
