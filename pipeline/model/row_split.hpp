// pipeline/model/row_split.hpp: the VAE's features divided by rows over the ranks that decode or encode a clip
// together.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "parallel/communicator.hpp"
#include "parallel/shard.hpp"
#include "pipeline/kernels/convolve.hpp"

namespace wf {

/// Which rows of each frame this rank has. Latents of `rows` rows are divided as by share_of(), and every feature map,
/// f times as high, at the same places. So each rank computes its own rows and no others, and needs of its neighbours
/// what its kernels overlap: one row.
///
/// Features are [1, channels, frames, own rows, columns] in channels-last order. Collective over the ranks, in the same
/// order on all; throws what Communicator throws.
class RowSplit {
 public:
  /// This rank has all rows, whatever their number.
  RowSplit() = default;
  /// Latents of `rows` rows, at least one for each of `ranks`, which outlive this.
  RowSplit(Communicator& ranks, std::int64_t rows);

  /// Whether rows are divided. If not, no function below communicates.
  bool is_split() const { return ranks_ != nullptr; }
  /// This rank's part, of a tensor that has all rows of all frames in dimension `dimension`.
  at::Tensor own_rows(const at::Tensor& whole, std::int64_t dimension) const;
  /// The rows next to this rank's, [1, channels, frames, 1, columns] each: the last one of the rank above and the first
  /// one of the rank below; zeros at the edges of the frame. Not split: undefined.
  EdgeRows edges(const at::Tensor& x) const;
  /// [own rows x n, ...] -> [rows x n, ...], of the features of any height.
  at::Tensor gather(const at::Tensor& own) const;
  /// The same on the first rank alone; undefined on the others.
  at::Tensor gather_on_first(const at::Tensor& own) const;

 private:
  int rank() const { return ranks_->rank(); }
  Counts counts(const at::Tensor& own) const;

  Communicator* ranks_ = nullptr;
  std::vector<Range> rows_;  ///< of latents, of each rank
};

}  // namespace wf
