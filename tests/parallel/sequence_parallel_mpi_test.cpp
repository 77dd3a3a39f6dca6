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
  std::string name() const { return std::to_string(heads) + " heads, " + std::to_string(tokens) + " rows"; }
};

/// 3 heads on 2 ranks, rows that do not divide, fewer heads than ranks, fewer rows than ranks.
constexpr Case cases[] = {{4, 16}, {3, 16}, {3, 7}, {1, 33}, {5, 10}, {2, 1}, {3, 2}, {5, 700}};

/// q, k and v, [3, batch, tokens, heads, head_dim]; the same on every rank.
at::Tensor input(const Case& c) {
  return at::randn({3, 2, c.tokens, c.heads, 8}, at::detail::createCPUGenerator(7), at::kFloat);
}

/// What one rank would make of all rows: [batch, tokens, heads, head_dim].
at::Tensor whole(const at::Tensor& qkv) {
  const at::Tensor heads_first = qkv.transpose(2, 3);
  return formula(heads_first[0], heads_first[1], heads_first[2], false).out.transpose(1, 2);
}

/// A rank's part: it writes and sends its rows, portion by portion, and gets their mixture.
at::Tensor attend(SequenceAttention attention, const at::Tensor& qkv, const Range& own) {
  const at::Tensor rows = qkv.narrow(2, own.begin, own.size);
  const HeadBlocks blocks = attention.begin(rows[0].flatten(2), rows.scalar_type(), rows.size(3), rows.size(4));
  for (const Range& portion : attention.portions(own.size)) {
    for (int rank = 0; rank < std::ssize(blocks.heads); ++rank) {
      const Range& heads = blocks.heads[static_cast<std::size_t>(rank)];
      const at::Tensor written = rows.narrow(2, portion.begin, portion.size).narrow(3, heads.begin, heads.size);
      blocks.of(rank).narrow(2, portion.begin, portion.size).copy_(written);
    }
    attention.send();
  }
  return attention.mix();
}

void expect_rows_of_the_whole(const std::string& what, const SequenceGroup& ranks, const Case& c) {
  const at::Tensor qkv = input(c);
  const Range own = ranks.own_rows(c.tokens);
  SequenceAttention attention(ranks, c.tokens, formula);
  const at::Tensor ours = attend(attention, qkv, own), wanted = whole(qkv).narrow(1, own.begin, own.size);
  ASSERT_EQ(ours.sizes(), wanted.sizes()) << what;
  if (wanted.numel() > 0) expect_within(what + ", " + c.name(), relative_distance(ours, wanted), 1e-6);
  // Nothing is left over from one call to the next.
  EXPECT_TRUE(at::equal(attend(attention, qkv, own), ours)) << what;
}

TEST(SequenceParallel, RowsOfTheCutSequenceAreRowsOfTheWhole) {
  const int ranks = mpi_communicator(MPI_COMM_WORLD)->size();
  for (const Degrees& degrees : test::sequence_degrees(ranks)) {
    const RankGroup group(mpi_communicator(MPI_COMM_WORLD), degrees);
    for (const Case& c : cases) expect_rows_of_the_whole(test::words(degrees), group.sequence(), c);
  }
}

/// As where transfers go on beside computing: rows leave in portions, and attention is computed in pieces.
TEST(SequenceParallel, PortionsAndPiecesMakeTheSame) {
  const std::shared_ptr<Communicator> world = mpi_communicator(MPI_COMM_WORLD);
  const SequenceGroup ranks(world, message_exchange(world, /*processors=*/1), world->subgroup({world->rank()}));
  for (const Case& c : cases) expect_rows_of_the_whole("pieces", ranks, c);
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
