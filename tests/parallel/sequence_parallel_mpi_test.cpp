// tests/parallel/sequence_parallel_mpi_test.cpp: attention over a sequence that is divided over ranks equals attention
// over the whole one; calls out of order are refused.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/error.hpp"
#include "parallel/mpi_communicator.hpp"
#include "parallel/rank_group.hpp"
#include "parallel/sequence_parallel.hpp"
#include "tests/golden.hpp"
#include "tests/parallel/degrees.hpp"

namespace wf {
namespace {

/// The plain formula in f32.
AttentionResult formula(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool) {
  const at::Tensor scores = at::matmul(q, k.transpose(-2, -1)) / std::sqrt(static_cast<double>(q.size(-1)));
  return {at::matmul(scores.softmax(-1), v), scores.logsumexp(-1)};
}

struct Case {
  std::int64_t heads, tokens;
  std::string name() const { return std::to_string(heads) + " heads, " + std::to_string(tokens) + " rows"; }
};

/// Among them: 3 heads on 2 ranks, rows that are no multiple of the ranks, fewer heads than ranks, fewer rows than
/// ranks.
constexpr Case cases[] = {{4, 16}, {3, 16}, {3, 7}, {1, 33}, {5, 10}, {2, 1}, {3, 2}, {5, 700}};

/// q, k and v, [3, batch, tokens, heads, head_dim]; the same on every rank.
at::Tensor input(const Case& c) {
  return at::randn({3, 2, c.tokens, c.heads, 8}, at::detail::createCPUGenerator(7), at::kFloat);
}

/// Attention over all rows on one rank: [batch, tokens, heads, head_dim].
at::Tensor whole(const at::Tensor& qkv) {
  const at::Tensor heads_first = qkv.transpose(2, 3);
  return formula(heads_first[0], heads_first[1], heads_first[2], false).out.transpose(1, 2);
}

/// Attention as a rank of the group computes it: writes and sends its rows chunk by chunk, and returns their results.
at::Tensor attend(SequenceAttention attention, const at::Tensor& qkv, const Range& own) {
  const at::Tensor rows = qkv.narrow(2, own.begin, own.size);
  const HeadBlocks blocks = attention.begin(rows[0].flatten(2), rows.scalar_type(), rows.size(3), rows.size(4));
  for (const Range& chunk : attention.chunks(own.size)) {
    for (int rank = 0; rank < std::ssize(blocks.heads); ++rank) {
      const Range& heads = blocks.heads[static_cast<std::size_t>(rank)];
      const at::Tensor written = rows.narrow(2, chunk.begin, chunk.size).narrow(3, heads.begin, heads.size);
      blocks.of(rank).narrow(2, chunk.begin, chunk.size).copy_(written);
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
  // A second call is not affected by the first one.
  EXPECT_TRUE(at::equal(attend(attention, qkv, own), ours)) << what;
}

TEST(SequenceParallel, EachRanksRowsEqualThoseOfTheWholeSequence) {
  const int ranks = mpi_communicator(MPI_COMM_WORLD)->size();
  for (const Degrees& degrees : test::sequence_degrees(ranks)) {
    const RankGroup group(mpi_communicator(MPI_COMM_WORLD), degrees);
    for (const Case& c : cases) expect_rows_of_the_whole(test::describe(degrees), group.sequence(), c);
  }
}

/// As on GPUs with copy engines: rows are sent in chunks, and attention is computed in chunks.
TEST(SequenceParallel, SendingAndComputingInChunksChangesNothing) {
  const std::shared_ptr<Communicator> world = mpi_communicator(MPI_COMM_WORLD);
  const SequenceGroup ranks(world, message_exchange(world, /*processors=*/1), world->subgroup({world->rank()}));
  for (const Case& c : cases) expect_rows_of_the_whole("chunks", ranks, c);
}

/// Nothing is exchanged then: the attention of all rows is computed at once, as without a group.
TEST(SequenceParallel, AGroupOfOneRankComputesTheWholeSequence) {
  const auto world = mpi_communicator(MPI_COMM_WORLD);
  const RankGroup alone(world->subgroup({world->rank()}), {});
  for (const Case& c : cases) {
    SequenceAttention attention(alone.sequence(), c.tokens, formula);
    EXPECT_TRUE(at::equal(attend(attention, input(c), {0, c.tokens}), whole(input(c)))) << c.name();
  }
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

// ---- The order of calls

void expect_refused(const char* what, const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << what << " was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::internal) << what << ": " << error.what();
  }
}

/// An exchange of one rank, which sends its rows in three chunks, and the 16 rows that it exchanges.
struct Exchange {
  std::unique_ptr<HeadExchange> heads;
  HeadShape shape{.batch = 1, .heads = 2, .head_dim = 8, .rows = {{0, 16}}, .options = at::kFloat};
  at::Tensor results = at::ones({1, 16, 2, 8});

  Exchange() {
    const auto world = mpi_communicator(MPI_COMM_WORLD);
    heads = message_exchange(world->subgroup({world->rank()}), /*processors=*/1);
  }
  void begin_and_send(int chunks) {
    heads->begin(shape);
    for (int i = 0; i < chunks; ++i) heads->send();
  }
};

TEST(HeadExchange, CallsOutOfOrderAreRefused) {
  Exchange exchange;
  HeadExchange& heads = *exchange.heads;
  expect_refused("send() before begin()", [&] { heads.send(); });
  expect_refused("receive() before begin()", [&] { heads.receive(); });
  exchange.begin_and_send(2);
  expect_refused("a second begin()", [&] { heads.begin(exchange.shape); });
  expect_refused("receive() before all chunks are sent", [&] { heads.receive(); });
  heads.send();
  expect_refused("send() of a fourth chunk", [&] { heads.send(); });
  expect_refused("give_back() before receive()", [&] { heads.give_back(0, 0, exchange.results); });
  heads.receive();
  heads.give_back(0, 0, exchange.results.narrow(1, 0, 10));
  expect_refused("collect() before all rows are given back", [&] { heads.collect(); });
  expect_refused("give_back() of more rows than there are", [&] { heads.give_back(0, 0, exchange.results); });
  heads.give_back(0, 10, exchange.results.narrow(1, 10, 6));
  EXPECT_TRUE(at::equal(heads.collect(), exchange.results));
  expect_refused("a second collect()", [&] { heads.collect(); });
}

TEST(SequenceAttention, CallsOutOfOrderAreRefused) {
  SequenceAttention attention(formula);
  const at::Tensor rows = at::ones({1, 16, 16});
  expect_refused("send() before begin()", [&] { attention.send(); });
  expect_refused("mix() before begin()", [&] { attention.mix(); });
  attention.begin(rows, at::kFloat, /*heads=*/2, /*head_dim=*/8).own.zero_();
  expect_refused("a second begin()", [&] { attention.begin(rows, at::kFloat, 2, 8); });
  expect_refused("mix() before send()", [&] { attention.mix(); });
  attention.send();
  expect_refused("a second send()", [&] { attention.send(); });
  EXPECT_EQ(attention.mix().sizes(), (std::vector<std::int64_t>{1, 16, 2, 8}));
  expect_refused("a second mix()", [&] { attention.mix(); });
}

// ---- Branches

TEST(RankGroup, EachBranchGetsTheTensorOfTheOther) {
  const RankGroup group(mpi_communicator(MPI_COMM_WORLD), {.guidance = 2, .ulysses = 0, .ring = 1});
  const std::vector<at::Tensor> all = group.share(at::full({3}, 10.0 + group.branch()));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_TRUE(at::equal(all[0], at::full({3}, 10.0)));
  EXPECT_TRUE(at::equal(all[1], at::full({3}, 11.0)));
}

}  // namespace
}  // namespace wf
