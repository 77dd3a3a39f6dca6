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

EdgeRows RowSplit::edges(const at::Tensor& x) const {
  if (!is_split()) return {};
  const bool first = rank() == 0, last = rank() + 1 == ranks_->size();
  SendRecv rows{"exchange of rows", {}, {}};
  const at::Tensor above = empty_row(x), below = empty_row(x);
  if (first)
    above.zero_();
  else
    rows.send.push_back({rank() - 1, packed_row(x, 0)}), rows.receive.push_back({rank() - 1, above});
  if (last)
    below.zero_();
  else
    rows.send.push_back({rank() + 1, packed_row(x, x.size(kRows) - 1)}), rows.receive.push_back({rank() + 1, below});
  ranks_->start(std::move(rows))->wait();
  return {unpacked(above), unpacked(below)};
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
