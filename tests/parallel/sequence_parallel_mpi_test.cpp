// tests/parallel/sequence_parallel_mpi_test.cpp: attention over a cut sequence is attention over the whole one.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cluster/error.hpp"
#include "parallel/mpi_communicator.hpp"
#include "parallel/rank_group.hpp"
#include "parallel/sequence_parallel.hpp"
#include "tests/golden.hpp"
#include "tests/parallel/degrees.hpp"

namespace wf {
namespace {

/// The plain formula, f32.
AttentionResult formula(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool) {
  const at::Tensor scores = at::matmul(q, k.transpose(-2, -1)) / std::sqrt(static_cast<double>(q.size(-1)));
  return {at::matmul(scores.softmax(-1), v), scores.logsumexp(-1)};
}

struct Case {
  std::int64_t heads, tokens;
};

/// 3 heads on 2 ranks, rows that do not divide, fewer heads than ranks, fewer rows than ranks.
constexpr Case cases[] = {{4, 16}, {3, 16}, {3, 7}, {1, 33}, {5, 10}, {2, 1}, {3, 2}};

/// The same on every rank.
struct Input {
  at::Tensor q, k, v;
  explicit Input(const Case& c) {
    const at::Generator generator = at::detail::createCPUGenerator(7);
    const auto draw = [&] { return at::randn({2, c.heads, c.tokens, 8}, generator, at::kFloat); };
    q = draw(), k = draw(), v = draw();
  }
};

at::Tensor rows_of(const at::Tensor& x, const Range& rows) { return x.narrow(2, rows.begin, rows.size); }

void expect_equal(const std::string& what, const at::Tensor& ours, const at::Tensor& whole) {
  ASSERT_EQ(ours.sizes(), whole.sizes()) << what;
  if (whole.numel() > 0) expect_within(what, relative_distance(ours, whole), 1e-6);
}

TEST(SequenceParallel, RowsOfTheCutSequenceAreRowsOfTheWhole) {
  const int ranks = mpi_communicator(MPI_COMM_WORLD)->size();
  for (const Degrees& degrees : test::sequence_degrees(ranks)) {
    const RankGroup group(mpi_communicator(MPI_COMM_WORLD), degrees);
    for (const Case& c : cases) {
      const Input input(c);
      const AttentionResult whole = formula(input.q, input.k, input.v, true);
      const Range own = group.sequence().own_rows(c.tokens);
      const AttentionResult cut = group.sequence().attention(c.tokens, formula)(
          rows_of(input.q, own), rows_of(input.k, own), rows_of(input.v, own), /*with_lse=*/true);
      const std::string what =
          test::words(degrees) + ", " + std::to_string(c.heads) + " heads, " + std::to_string(c.tokens) + " rows";
      expect_equal(what, cut.out, rows_of(whole.out, own));
      expect_equal(what + " lse", cut.lse, rows_of(whole.lse, own));
    }
  }
}

TEST(SequenceParallel, HeadsInPortionsGiveTheSameBits) {
  const auto world = mpi_communicator(MPI_COMM_WORLD);
  const Input input({5, 12});
  const std::vector<Range> rows = split(12, world->size());
  const Range own = rows[static_cast<std::size_t>(world->rank())];
  const auto run = [&](int portions) {
    return ulysses_attention(*world, rows, formula, portions)(rows_of(input.q, own), rows_of(input.k, own),
                                                              rows_of(input.v, own), false)
        .out;
  };
  const at::Tensor at_once = run(1);
  for (const int portions : {2, 3, 5, 8}) EXPECT_TRUE(at::equal(run(portions), at_once)) << portions << " portions";
}

TEST(SequenceParallel, GatheringPutsRowsInTheirPlaces) {
  const int ranks = mpi_communicator(MPI_COMM_WORLD)->size();
  for (const Degrees& degrees : test::sequence_degrees(ranks)) {
    const RankGroup group(mpi_communicator(MPI_COMM_WORLD), degrees);
    const at::Tensor whole = at::arange(2 * 11 * 3).view({2, 11, 3});
    const Range own = group.sequence().own_rows(11);
    EXPECT_TRUE(at::equal(group.sequence().gather(whole.narrow(1, own.begin, own.size), 11), whole));
  }
}

TEST(RankGroup, HalvesShareWhatTheyMade) {
  const auto world = mpi_communicator(MPI_COMM_WORLD);
  if (world->size() == 1) {
    EXPECT_THROW(RankGroup(mpi_communicator(MPI_COMM_WORLD), {.guidance = 2, .ulysses = 0, .ring = 1}), Error);
    return;
  }
  const RankGroup group(mpi_communicator(MPI_COMM_WORLD), {.guidance = 2, .ulysses = 0, .ring = 1});
  const std::vector<at::Tensor> made = group.share(at::full({3}, 10.0 + group.half()));
  ASSERT_EQ(made.size(), 2u);
  EXPECT_TRUE(at::equal(made[0], at::full({3}, 10.0)));
  EXPECT_TRUE(at::equal(made[1], at::full({3}, 11.0)));
}

}  // namespace
}  // namespace wf
