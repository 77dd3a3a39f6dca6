#include "parallel/communicator.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/check.hpp"

namespace wf {
namespace {

std::int64_t sum(const Counts& counts) { return std::accumulate(counts.begin(), counts.end(), std::int64_t{0}); }

/// One block for each rank r: counts[r] rows of the first dimension.
Blocks cut(const at::Tensor& tensor, const Counts& counts) {
  Blocks blocks;
  for (const at::Tensor& part : tensor.split_with_sizes(counts))
    blocks.push_back({static_cast<int>(blocks.size()), part});
  return blocks;
}

/// Removes the blocks of rank `own`, and returns them; also removes the empty ones.
Blocks take_own(Blocks& blocks, int own) {
  Blocks taken;
  std::erase_if(blocks, [&](const Block& block) {
    if (block.rank == own) taken.push_back(block);
    return block.rank == own || block.data.numel() == 0;
  });
  return taken;
}

}  // namespace

std::unique_ptr<Transfer> Communicator::start(SendRecv batch) {
  const Blocks own_out = take_own(batch.send, rank()), own_in = take_own(batch.receive, rank());
  WF_CHECK(own_out.size() == own_in.size());
  const auto after = [&](int other) { return (other - rank() + size()) % size(); };
  std::ranges::stable_sort(batch.send, {}, [&](const Block& block) { return after(block.rank); });
  std::ranges::stable_sort(batch.receive, {}, [&](const Block& block) { return size() - after(block.rank); });
  std::unique_ptr<Transfer> transfer = post(batch);
  for (std::size_t i = 0; i < own_out.size(); ++i) own_in[i].data.copy_(own_out[i].data.view_as(own_in[i].data));
  return transfer;
}

std::unique_ptr<Transfer> Communicator::start_all_to_all(const at::Tensor& send, const Counts& out, const Counts& in) {
  const at::Tensor received = at::empty({sum(in)}, send.options());
  return start({"all_to_all", cut(send, out), cut(received, in), received});
}

std::unique_ptr<Transfer> Communicator::start_exchange(const at::Tensor& send, int to, std::int64_t count, int from) {
  const at::Tensor received = at::empty({count}, send.options());
  return start({"exchange", {{to, send.view({-1})}}, {{from, received}}, received});
}

at::Tensor Communicator::all_gather(const at::Tensor& shard, const Counts& rows) {
  std::vector<std::int64_t> shape = shard.sizes().vec();
  shape.at(0) = sum(rows);
  const at::Tensor whole = at::empty(shape, shard.options());
  Blocks out;
  for (int other = 0; other < size(); ++other) out.push_back({other, shard});
  return start({"all_gather", std::move(out), cut(whole, rows), whole})->wait();
}

}  // namespace wf
