#include "parallel/head_exchange.hpp"

#include <ATen/ATen.h>

#include <utility>

namespace wf {
namespace {

/// Some rows of a block [parts, batch, rows, heads, head_dim]: of each part and sample a piece of memory.
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

  HeadBlocks begin(const HeadShape& shape) override {
    shape_ = shape;
    heads_ = split(shape.heads, size());
    received_ = at::empty({3, shape.batch, shape.rows.back().end(), own_heads().size, shape.head_dim}, shape.options);
    room_ = HeadBlocks::make(received_.narrow(2, own_rows().begin, own_rows().size), shape.heads, rank(), size());
    return room_;
  }

  void send() override {
    Trade trade{.call = "heads to ranks", .out = {}, .in = {}};
    const std::size_t portion = under_way_.size();
    for (int other = 0; other < size(); ++other) {
      if (other == rank()) continue;
      const Range& rows = of(shape_.rows, other);
      const Range part = portions(rows.size).at(portion);
      add_rows(trade.out, other, room_.of(other), portions(own_rows().size).at(portion));
      add_rows(trade.in, other, received_, {rows.begin + part.begin, part.size});
    }
    under_way_.push_back(ranks_->start(std::move(trade)));
  }

  at::Tensor receive() override {
    wait();
    room_ = {};
    return std::move(received_);
  }

  void give_back(int to, std::int64_t first_row, const at::Tensor& results) override {
    if (to == rank())
      own_results_.emplace_back(first_row, results);
    else
      way_back_.push_back({to, results});
  }

  at::Tensor collect() override {
    const at::Tensor all = at::empty({shape_.batch, own_rows().size, shape_.heads, shape_.head_dim}, shape_.options);
    const auto part = [&](const Range& heads) { return all.narrow(2, heads.begin, heads.size); };
    Trade trade{.call = "heads from ranks", .out = std::exchange(way_back_, {}), .in = {}};
    for (int other = 0; other < size(); ++other)
      if (other != rank()) trade.in.push_back({other, at::empty(part(of(heads_, other)).sizes(), shape_.options)});
    const Blocks coming = trade.in;
    under_way_.push_back(ranks_->start(std::move(trade)));
    for (const auto& [first_row, results] : std::exchange(own_results_, {}))
      copy_heads(part(own_heads()).narrow(1, first_row, results.size(1)), results);
    wait();
    for (const Block& block : coming) copy_heads(part(of(heads_, block.rank)), block.data);
    return all;
  }

 private:
  static const Range& of(const std::vector<Range>& of_ranks, int rank) {
    return of_ranks[static_cast<std::size_t>(rank)];
  }
  const Range& own_rows() const { return of(shape_.rows, rank()); }
  const Range& own_heads() const { return of(heads_, rank()); }

  void wait() {
    for (const std::unique_ptr<Transfer>& transfer : std::exchange(under_way_, {})) transfer->wait();
  }

  std::shared_ptr<Communicator> ranks_;
  int processors_;
  HeadShape shape_;
  std::vector<Range> heads_;  ///< of each rank
  HeadBlocks room_;
  at::Tensor received_;
  std::vector<std::pair<std::int64_t, at::Tensor>> own_results_;  ///< with their first rows
  Blocks way_back_;
  std::vector<std::unique_ptr<Transfer>> under_way_;
};

}  // namespace

HeadBlocks HeadBlocks::make(const at::Tensor& own, std::int64_t heads, int rank, int ranks) {
  const std::int64_t of_others = 3 * own.size(1) * own.size(2) * (heads - own.size(3)) * own.size(4);
  return {.own = own, .others = at::empty({of_others}, own.options()), .heads = split(heads, ranks), .rank = rank};
}

at::Tensor HeadBlocks::of(int other) const {
  if (other == rank) return own;
  const Range& its = heads[static_cast<std::size_t>(other)];
  const std::int64_t before = its.begin - (other > rank ? own.size(3) : 0);
  const std::int64_t of_a_head = 3 * batch() * rows() * head_dim();
  return others.narrow(0, before * of_a_head, its.size * of_a_head).view({3, batch(), rows(), its.size, head_dim()});
}

void copy_heads(const at::Tensor& to, const at::Tensor& from) {
  constexpr std::int64_t widest = 16;  // bytes
  const bool fits = from.size(-1) * static_cast<std::int64_t>(from.itemsize()) % widest == 0;
  const auto as_wide = [&](const at::Tensor& x) { return fits ? x.view(at::kComplexDouble) : x; };
  as_wide(to).copy_(as_wide(from));
}

std::vector<Range> HeadExchange::portions(std::int64_t rows) const {
  return processors() > 0 ? shrinking(rows) : std::vector{Range{0, rows}};
}

std::unique_ptr<HeadExchange> message_exchange(std::shared_ptr<Communicator> ranks, int processors) {
  return std::make_unique<MessageExchange>(std::move(ranks), processors);
}

// ---- Pieces

namespace {

constexpr std::int64_t rows_of_a_tile = 128;  // FlashAttention-3's, for heads of 128

std::int64_t tiles(std::int64_t rows) { return (rows + rows_of_a_tile - 1) / rows_of_a_tile; }

/// What may lie at one end of the sequence, beside the last piece: the rows of others, if there are any, made up to
/// whole tiles by some of the own.
std::vector<std::int64_t> sizes_beside(std::int64_t others, std::int64_t own) {
  if (others == 0) return {0};
  std::vector<std::int64_t> sizes;
  for (std::int64_t rows = tiles(others) * rows_of_a_tile; rows < others + own; rows += rows_of_a_tile)
    sizes.push_back(rows);
  return sizes;
}

}  // namespace

std::vector<Range> attention_pieces(std::int64_t all_rows, const Range& own, std::int64_t heads, int processors) {
  const std::vector<Range> at_once{{0, all_rows}};
  if (processors == 0 || heads == 0) return at_once;
  const auto turns = [&](std::int64_t rows) { return (tiles(rows) * heads + processors - 1) / processors; };
  Range last;
  for (const std::int64_t before : sizes_beside(own.begin, own.size)) {
    for (const std::int64_t after : sizes_beside(all_rows - own.end(), own.size)) {
      const std::int64_t size = all_rows - before - after;
      if (size > last.size && turns(before) + turns(size) + turns(after) <= turns(all_rows)) last = {before, size};
    }
  }
  if (last.size == 0) return at_once;
  std::vector<Range> pieces;
  if (last.end() < all_rows) pieces.push_back({last.end(), all_rows - last.end()});
  if (last.begin > 0) pieces.push_back({0, last.begin});
  pieces.push_back(last);
  return pieces;
}

}  // namespace wf
