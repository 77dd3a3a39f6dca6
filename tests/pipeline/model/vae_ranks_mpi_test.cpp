// tests/pipeline/model/vae_ranks_mpi_test.cpp: ranks that divide the rows of a clip decode and encode what one rank
// does.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "parallel/nccl_communicator.hpp"
#include "pipeline/model/vae.hpp"
#include "tests/golden.hpp"
#include "tests/parallel/all_ranks.hpp"
#include "tests/pipeline/model/peak_bytes.hpp"
#include "tests/pipeline/model/sine_fill.hpp"

namespace wf {
namespace {

/// The VAE of the golden model, and the ranks of the test.
class VaeRanks : public testing::Test {
 protected:
  VaeRanks() {
    ranks_ = mpi_communicator(MPI_COMM_WORLD);
    if (test::device().is_cuda()) ranks_ = nccl_communicator(std::move(ranks_), test::device());
  }
  VaeWeights decoder(at::ScalarType dtype = at::kFloat) const { return load_vae(files_, dtype, test::device()); }
  VaeEncoderWeights encoder() const { return load_vae_encoder(files_, at::kFloat, test::device()); }
  /// This rank's rows of the frames.
  at::Tensor decoded(const VaeWeights& weights, const at::Tensor& latents, const RowSplit& rows,
                     std::int64_t frames_per_chunk = 1) const {
    std::vector<at::Tensor> frames;
    vae_decode(
        weights, latents, [&](const at::Tensor& chunk) { frames.push_back(chunk); }, frames_per_chunk, rows);
    return at::cat(frames, 1);
  }

  const c10::InferenceMode inference_;
  NetworkWeights files_{Network::vae, golden_model() / "Wan2.1_VAE.pth"};
  std::unique_ptr<Communicator> ranks_;
};

TEST_F(VaeRanks, DividedRowsDecodeToTheFramesOfOneRank) {
  const VaeWeights weights = decoder();
  for (const std::int64_t height : {4, 5, 7})
    for (const std::int64_t chunk : {1, 3}) {
      const at::Tensor latents = test::on_device(sine(7, {16, 6, height, 3}));
      const RowSplit rows(*ranks_, height);
      const at::Tensor own = decoded(weights, latents, rows, chunk), whole = decoded(weights, latents, {}, chunk);
      ASSERT_LT(own.size(2), whole.size(2)) << "run through ctest: one rank would pass by accident";
      expect_close(std::to_string(height) + " rows, chunks of " + std::to_string(chunk), own, rows.own_rows(whole, 2),
                   test::network_tolerance);
    }
}

TEST_F(VaeRanks, DividedRowsDecodeInBf16) {
  const VaeWeights weights = decoder(at::kBFloat16);
  const at::Tensor latents = test::on_device(sine(7, {16, 3, 5, 3}));
  const RowSplit rows(*ranks_, 5);
  expect_close("bf16", decoded(weights, latents, rows), rows.own_rows(decoded(weights, latents, {}), 2), 0.01);
}

TEST_F(VaeRanks, DividedRowsEncodeToTheLatentsOfOneRank) {
  const VaeEncoderWeights weights = encoder();
  for (const std::int64_t height : {4, 5, 7}) {
    const at::Tensor video = test::on_device(sine(8, {3, 9, 8 * height, 16}));
    const RowSplit rows(*ranks_, height);
    expect_close(std::to_string(height) + " rows", vae_encode(weights, video, rows),
                 rows.own_rows(vae_encode(weights, video), 2), test::network_tolerance);
  }
}

TEST_F(VaeRanks, NeighboursRowsAreZerosAtTheEdgesOfTheFrame) {
  const int rank = ranks_->rank(), last = ranks_->size() - 1;
  const std::int64_t rows_of_each = 2;
  const RowSplit rows(*ranks_, rows_of_each * ranks_->size());
  const at::Tensor whole = at::arange(1, 1 + 3 * rows_of_each * ranks_->size(), test::device()).to(at::kFloat);
  const at::Tensor own = rows.own_rows(whole.view({1, 1, 1, -1, 3}), 3);
  const EdgeRows edges = rows.edges(own);
  const at::Tensor row = at::arange(3, test::device()).to(at::kFloat).view({1, 1, 1, 1, 3});
  const auto number = [&](std::int64_t index) { return row + 1 + 3 * static_cast<double>(index); };
  const at::Tensor above = rank == 0 ? at::zeros_like(row) : number(rank * rows_of_each - 1);
  const at::Tensor below = rank == last ? at::zeros_like(row) : number((rank + 1) * rows_of_each);
  EXPECT_TRUE(at::equal(edges.above, above));
  EXPECT_TRUE(at::equal(edges.below, below));
}

using VaeRanksOnCpu = VaeRanks;
TEST_F(VaeRanksOnCpu, KnowsWhatDecodingNeedsOnTheRankWithMostRows) {
  constexpr std::int64_t rows = 109, columns = 2;
  const at::Tensor latents = sine(7, {16, 7, rows, columns});
  const auto used =
      static_cast<std::int64_t>(test::of_all_ranks(static_cast<std::uint64_t>(peak_bytes([&] {
                                  const VaeWeights weights = decoder();
                                  vae_decode(
                                      weights, latents, [](const at::Tensor&) {}, 1, RowSplit(*ranks_, rows));
                                }))).front());
  const VaeWeights shapes = load_vae(files_, at::kFloat, at::kMeta);
  const auto said = static_cast<std::int64_t>(
      vae_decode_bytes_needed(shapes, 8 * rows, 8 * columns, 1, Convolving::library, ranks_->size()));
  std::printf("  %.3f MB used, %.3f said\n", 1e-6 * static_cast<double>(used), 1e-6 * static_cast<double>(said));
  EXPECT_LE(used, said + said / 20);
  EXPECT_GE(used, said * 9 / 10);
}

}  // namespace
}  // namespace wf
