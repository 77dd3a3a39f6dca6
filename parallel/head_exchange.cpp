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
  MessageExchange(std::shared_ptr<Communicator> ranks, bool overlaps) : ranks_(std::move(ranks)), overlaps_(overlaps) {}

  int rank() const override { return ranks_->rank(); }
  int size() const override { return ranks_->size(); }
  bool overlaps() const override { return overlaps_; }

  HeadBlocks begin(const HeadShape& shape) override {
    rows_ = shape.rows;
    const std::int64_t heads = of(split(shape.heads, size()), rank()).size;
    received_ = at::empty({3, shape.batch, rows_.back().end(), heads, shape.head_dim}, shape.options);
    room_ = HeadBlocks::make(received_.narrow(2, own_rows().begin, own_rows().size), shape.heads, rank(), size());
    results_.resize(rows_.size());
    return room_;
  }

  void send() override {
    Trade trade{.call = "heads to ranks", .out = {}, .in = {}};
    const std::size_t portion = under_way_.size();
    for (int other = 0; other < size(); ++other) {
      if (other == rank()) continue;
      const Range& rows = of(rows_, other);
      const Range part = portions(rows.size).at(portion);
      add_rows(trade.out, other, room_.of(other), portions(own_rows().size).at(portion));
      add_rows(trade.in, other, received_, {rows.begin + part.begin, part.size});
    }
    under_way_.push_back(ranks_->start(std::move(trade)));
  }

  at::Tensor receive() override {
    wait();
    room_.own.reset();
    room_.others.reset();
    return std::move(received_);
  }

  void give_back(int places_after, const at::Tensor& results) override {
    const int to = (rank() + places_after) % size(), from = (rank() + size() - places_after) % size();
    at::Tensor& coming = results_[static_cast<std::size_t>(from)];
    coming =
        at::empty({results.size(0), own_rows().size, of(room_.heads, from).size, results.size(3)}, results.options());
    back_.out.push_back({to, results});
    back_.in.push_back({from, coming});
    if (overlaps_ || places_after == 0) under_way_.push_back(ranks_->start(std::exchange(back_, {.call = way_back})));
  }

  at::Tensor collect() override {
    wait();
    return at::cat(std::exchange(results_, {}), 2);
  }

 private:
  static constexpr const char* way_back = "heads from ranks";

  template <class T>
  static const T& of(const std::vector<T>& of_ranks, int rank) {
    return of_ranks[static_cast<std::size_t>(rank)];
  }
  const Range& own_rows() const { return of(rows_, rank()); }

  void wait() {
    for (const std::unique_ptr<Transfer>& transfer : std::exchange(under_way_, {})) transfer->wait();
  }

  std::shared_ptr<Communicator> ranks_;
  bool overlaps_;
  std::vector<Range> rows_;
  HeadBlocks room_;
  at::Tensor received_;
  std::vector<at::Tensor> results_;  ///< from each rank
  Trade back_{.call = way_back, .out = {}, .in = {}};
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

std::unique_ptr<HeadExchange> message_exchange(std::shared_ptr<Communicator> ranks, bool overlaps) {
  return std::make_unique<MessageExchange>(std::move(ranks), overlaps);
}

}  // namespace wf
