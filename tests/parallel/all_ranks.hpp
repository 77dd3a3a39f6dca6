// tests/parallel/all_ranks.hpp: values that the ranks of a test exchange. Collective over the world of the test.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "parallel/mpi_communicator.hpp"
#include "tests/mpi_main.hpp"

namespace wf::test {

/// The ranks 0, 1, ... of the world. Not collective.
inline std::vector<int> everyone() {
  std::vector<int> ranks(static_cast<std::size_t>(test_world().size()));
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

/// The number that each rank passes, in rank order.
inline std::vector<std::int64_t> of_all_ranks(std::uint64_t number) {
  const Counts rows(static_cast<std::size_t>(test_world().size()), 1);
  const at::Tensor own = at::full({1}, static_cast<std::int64_t>(number), at::kLong);
  const at::Tensor all = mpi_communicator(MPI_COMM_WORLD)->all_gather(own, rows);
  return {all.data_ptr<std::int64_t>(), all.data_ptr<std::int64_t>() + all.numel()};
}

inline std::uint64_t sum_of_all_ranks(std::uint64_t number) {
  const std::vector<std::int64_t> all = of_all_ranks(number);
  return static_cast<std::uint64_t>(std::accumulate(all.begin(), all.end(), std::int64_t{0}));
}

/// The text that rank 0 passes, shorter than 4096 characters, on all ranks.
inline std::string of_rank_0(std::string text) {
  const auto ranks = mpi_communicator(MPI_COMM_WORLD);
  const at::Tensor bytes = at::zeros({4096}, at::kChar);
  std::copy(text.begin(), text.end(), bytes.data_ptr<std::int8_t>());
  ranks->broadcast(bytes, 0);
  return {reinterpret_cast<const char*>(bytes.data_ptr<std::int8_t>())};
}

}  // namespace wf::test
