#include "parallel/head_exchange.hpp"

#include <ATen/ATen.h>

#include <utility>

#include "base/check.hpp"

namespace wf {
namespace {

/// Appends some rows of a block [3, batch, rows, heads, head_dim] to `blocks`: one range of memory for each part (q, k,
/// v) and sample.
void add_rows(Blocks& blocks, int rank, const at::Tensor& block, const Range& rows) {
  for (const at::Tensor& sample : block.flatten(0, 1).unbind(0))
    blocks.push_back({rank, sample.narrow(0, rows.begin, rows.size)});
}

class MessageExchange final : public HeadExchange {
 public:
  MessageExchange(std::shared_ptr<Communicator> ranks, int processors)
      : ranks_(std::move(ranks)), processors_(processors) {}

  int rank() const override { return ranks_->rank(); }
  int size() const override { return ranks_->size(); }
  int processors() const override { return processors_; }
  bool can_be_recorded() const override { return ranks_->can_be_recorded(); }

 private:
  HeadBlocks start_attention(const HeadShape& shape) override {
    shape_ = shape;
    heads_ = split(shape.heads, size());
    received_ = at::empty({3, shape.batch, shape.rows.back().end(), own_heads().size, shape.head_dim}, shape.options);
    blocks_ = HeadBlocks::make(received_.narrow(2, own_rows().begin, own_rows().size), shape.heads, rank(), size());
    return blocks_;
  }

  void send_chunk() override {
    SendRecv batch{.call = "heads to ranks", .send = {}, .receive = {}};
    const std::size_t chunk = in_flight_.size();
    for (int other = 0; other < size(); ++other) {
      if (other == rank()) continue;
      const Range& rows = of(shape_.rows, other);
      const Range coming = chunks(rows.size).at(chunk);
      add_rows(batch.send, other, blocks_.of(other), chunks(own_rows().size).at(chunk));
      add_rows(batch.receive, other, received_, {rows.begin + coming.begin, coming.size});
    }
    in_flight_.push_back(ranks_->start(std::move(batch)));
  }

  at::Tensor receive_rows() override {
    wait();
    blocks_ = {};
    return std::move(received_);
  }

  void return_results(int to, std::int64_t first_row, const at::Tensor& results) override {
    if (to == rank())
      own_results_.emplace_back(first_row, results);
    else
      results_to_send_.push_back({to, results.contiguous()});
  }

  at::Tensor collect_results() override {
    const at::Tensor all = at::empty({shape_.batch, own_rows().size, shape_.heads, shape_.head_dim}, shape_.options);
    const auto part = [&](const Range& heads) { return all.narrow(2, heads.begin, heads.size); };
    SendRecv batch{.call = "heads from ranks", .send = std::exchange(results_to_send_, {}), .receive = {}};
    for (int other = 0; other < size(); ++other)
      if (other != rank()) batch.receive.push_back({other, at::empty(part(of(heads_, other)).sizes(), shape_.options)});
    const Blocks coming = batch.receive;
    in_flight_.push_back(ranks_->start(std::move(batch)));
    for (const auto& [first_row, results] : std::exchange(own_results_, {}))
      copy_heads(part(own_heads()).narrow(1, first_row, results.size(1)), results);
    wait();
    for (const Block& block : coming) copy_heads(part(of(heads_, block.rank)), block.data);
    return all;
  }

  static const Range& of(const std::vector<Range>& of_ranks, int rank) {
    return of_ranks[static_cast<std::size_t>(rank)];
  }
  const Range& own_rows() const { return of(shape_.rows, rank()); }
  const Range& own_heads() const { return of(heads_, rank()); }

  void wait() {
    for (const std::unique_ptr<Transfer>& transfer : std::exchange(in_flight_, {})) transfer->wait();
  }

  std::shared_ptr<Communicator> ranks_;
  int processors_;
  HeadShape shape_;
  std::vector<Range> heads_;  ///< each rank's heads
  HeadBlocks blocks_;
  at::Tensor received_;
  std::vector<std::pair<std::int64_t, at::Tensor>> own_results_;  ///< with the first row of each
  Blocks results_to_send_;
  std::vector<std::unique_ptr<Transfer>> in_flight_;
};

}  // namespace

HeadBlocks HeadBlocks::make(const at::Tensor& own, std::int64_t heads, int rank, int ranks) {
  const std::int64_t others_numel = 3 * own.size(1) * own.size(2) * (heads - own.size(3)) * own.size(4);
  return {.own = own, .others = at::empty({others_numel}, own.options()), .heads = split(heads, ranks), .rank = rank};
}

at::Tensor HeadBlocks::of(int other) const {
  if (other == rank) return own;
  const Range& share = heads[static_cast<std::size_t>(other)];
  const std::int64_t head_numel = 3 * batch() * rows() * head_dim();
  return others.narrow(0, heads_before(share, own_heads()) * head_numel, share.size * head_numel)
      .view({3, batch(), rows(), share.size, head_dim()});
}

void copy_heads(const at::Tensor& to, const at::Tensor& from) {
  constexpr std::int64_t widest_bytes = 16;
  const bool fits = from.size(-1) * static_cast<std::int64_t>(from.itemsize()) % widest_bytes == 0;
  const auto as_wide = [&](const at::Tensor& x) { return fits ? x.view(at::kComplexDouble) : x; };
  as_wide(to).copy_(as_wide(from));
}

std::vector<Range> HeadExchange::chunks(std::int64_t rows) const {
  return processors() > 0 ? shrinking(rows, chunk_ratio_) : std::vector{Range{0, rows}};
}

std::unique_ptr<HeadExchange> message_exchange(std::shared_ptr<Communicator> ranks, int processors) {
  return std::make_unique<MessageExchange>(std::move(ranks), processors);
}

// ---- The order of calls

HeadBlocks HeadExchange::begin(const HeadShape& shape) {
  WF_CHECK(phase_ == Phase::idle);
  phase_ = Phase::sending;
  chunk_ratio_ = shape.chunk_ratio;
  unsent_chunks_ = chunks(shape.rows.at(static_cast<std::size_t>(rank())).size).size();
  rows_to_give_back_ = shape.rows.back().end();
  return start_attention(shape);
}

void HeadExchange::send() {
  WF_CHECK(phase_ == Phase::sending && unsent_chunks_ > 0);
  --unsent_chunks_;
  send_chunk();
}

at::Tensor HeadExchange::receive() {
  WF_CHECK(phase_ == Phase::sending && unsent_chunks_ == 0);
  phase_ = Phase::attending;
  return receive_rows();
}

void HeadExchange::give_back(int to, std::int64_t first_row, const at::Tensor& results) {
  WF_CHECK(phase_ == Phase::attending && results.size(1) <= rows_to_give_back_);
  rows_to_give_back_ -= results.size(1);
  return_results(to, first_row, results);
}

at::Tensor HeadExchange::collect() {
  WF_CHECK(phase_ == Phase::attending && rows_to_give_back_ == 0);
  phase_ = Phase::idle;
  return collect_results();
}

// ---- Chunks of attention

namespace {

constexpr std::int64_t rows_of_a_tile = 128;  ///< FlashAttention-3's tile for heads of 128

std::int64_t tiles(std::int64_t rows) { return (rows + rows_of_a_tile - 1) / rows_of_a_tile; }

/// The sizes that a chunk at one end of the sequence may have: the `others` rows of other ranks that lie there, rounded
/// up to whole tiles with some of the `own` rows.
std::vector<std::int64_t> outer_chunk_sizes(std::int64_t others, std::int64_t own) {
  if (others == 0) return {0};
  std::vector<std::int64_t> sizes;
  for (std::int64_t rows = tiles(others) * rows_of_a_tile; rows < others + own; rows += rows_of_a_tile)
    sizes.push_back(rows);
  return sizes;
}

}  // namespace

std::vector<Range> attention_chunks(std::int64_t all_rows, const Range& own, std::int64_t heads, int processors) {
  const std::vector<Range> one_chunk{{0, all_rows}};
  if (processors == 0 || heads == 0) return one_chunk;
  const auto rounds = [&](std::int64_t rows) { return (tiles(rows) * heads + processors - 1) / processors; };
  Range last;
  for (const std::int64_t before : outer_chunk_sizes(own.begin, own.size)) {
    for (const std::int64_t after : outer_chunk_sizes(all_rows - own.end(), own.size)) {
      const std::int64_t size = all_rows - before - after;
      if (size > last.size && rounds(before) + rounds(size) + rounds(after) <= rounds(all_rows)) last = {before, size};
    }
  }
  if (last.size == 0) return one_chunk;
  std::vector<Range> chunks;
  if (last.end() < all_rows) chunks.push_back({last.end(), all_rows - last.end()});
  if (last.begin > 0) chunks.push_back({0, last.begin});
  chunks.push_back(last);
  return chunks;
}

}  // namespace wf
