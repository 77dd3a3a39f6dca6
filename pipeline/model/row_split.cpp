#include "pipeline/model/row_split.hpp"

#include <ATen/ATen.h>

#include <utility>

#include "base/check.hpp"

namespace wf {
namespace {

constexpr std::int64_t kRows = 3;

/// One row of all frames as memory that can be sent: [1, frames, 1, columns, channels].
at::Tensor packed_row(const at::Tensor& x, std::int64_t row) {
  return x.narrow(kRows, row, 1).permute({0, 2, 3, 4, 1}).contiguous();
}

/// Memory for such a row.
at::Tensor empty_row(const at::Tensor& x) { return at::empty({1, x.size(2), 1, x.size(4), x.size(1)}, x.options()); }

at::Tensor unpacked(const at::Tensor& row) { return row.permute({0, 4, 1, 2, 3}); }

}  // namespace

RowSplit::RowSplit(Communicator& ranks, std::int64_t rows) {
  WF_CHECK(rows >= ranks.size());
  if (ranks.size() == 1) return;
  ranks_ = &ranks;
  rows_ = split(rows, ranks.size());
}

at::Tensor RowSplit::own_rows(const at::Tensor& whole, std::int64_t dimension) const {
  if (!is_split()) return whole;
  const std::int64_t factor = whole.size(dimension) / rows_.back().end();
  const Range& own = rows_[static_cast<std::size_t>(rank())];
  return whole.narrow(dimension, own.begin * factor, own.size * factor);
}

at::Tensor RowSplit::with_neighbours(at::Tensor x, std::int64_t above, std::int64_t below) const {
  if (!is_split()) return x;
  const bool first = rank() == 0, last = rank() + 1 == ranks_->size();
  const std::int64_t rows = x.size(kRows);
  SendRecv edges{"exchange of rows", {}, {}};
  at::Tensor from_above, from_below;
  if (!first && below > 0) edges.send.push_back({rank() - 1, packed_row(x, 0)});
  if (!last && above > 0) edges.send.push_back({rank() + 1, packed_row(x, rows - 1)});
  if (!first && above > 0) edges.receive.push_back({rank() - 1, from_above = empty_row(x)});
  if (!last && below > 0) edges.receive.push_back({rank() + 1, from_below = empty_row(x)});
  const std::unique_ptr<Transfer> transfer = ranks_->start(std::move(edges));

  const at::Tensor all = at::empty({1, x.size(1), x.size(2), above + rows + below, x.size(4)}, x.options(),
                                   at::MemoryFormat::ChannelsLast3d);
  all.narrow(kRows, above, rows).copy_(x);
  transfer->wait();
  const auto put = [&](std::int64_t row, const at::Tensor& received) {
    at::Tensor place = all.narrow(kRows, row, 1);
    received.defined() ? place.copy_(unpacked(received)) : place.zero_();
  };
  if (above > 0) put(0, from_above);
  if (below > 0) put(above + rows, from_below);
  return all;
}

/// How much each rank has of what this rank has `own` of.
Counts RowSplit::counts(const at::Tensor& own) const {
  const std::int64_t of_a_row = own.size(0) / rows_[static_cast<std::size_t>(rank())].size;
  Counts counts;
  for (const Range& rows : rows_) counts.push_back(rows.size * of_a_row);
  return counts;
}

at::Tensor RowSplit::gather(const at::Tensor& own) const {
  return is_split() ? ranks_->all_gather(own, counts(own)) : own;
}

at::Tensor RowSplit::gather_on_first(const at::Tensor& own) const {
  if (!is_split()) return own;
  SendRecv rows{"gathering of rows", {{0, own}}, {}};
  if (rank() == 0) {
    std::vector<std::int64_t> shape = own.sizes().vec();
    shape[0] = own.size(0) / rows_.front().size * rows_.back().end();
    rows.received = at::empty(shape, own.options());
    for (const at::Tensor& part : rows.received.split_with_sizes(counts(own)))
      rows.receive.push_back({static_cast<int>(rows.receive.size()), part});
  }
  return ranks_->start(std::move(rows))->wait();
}

}  // namespace wf
