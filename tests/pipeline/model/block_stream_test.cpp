// tests/pipeline/model/block_stream_test.cpp: an expert whose blocks travel to the device one after another computes
// what it does with all of them there.
#include "pipeline/model/block_stream.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>

#include "tests/pipeline/model/tiny_dit.hpp"

namespace wf {
namespace {

constexpr std::size_t block_count = 5;

/// A golden expert of five blocks that all differ.
DitWeights five_blocks(Precision precision) {
  DitWeights weights = tiny_dit("high", precision);
  const DitWeights other = tiny_dit("low", precision), more = tiny_dit("high", precision);
  for (const DitBlock& block : other.blocks) weights.blocks.push_back(block);
  weights.blocks.push_back(more.blocks.front());
  weights.blocks.back().ffn_up.bias = weights.blocks.back().ffn_up.bias + 0.25;
  weights.config.num_layers = block_count;
  return weights;
}

at::Tensor on_host(const at::Tensor& tensor) { return tensor.is_cuda() ? tensor.cpu().pin_memory() : tensor; }

/// The same expert with these blocks in host memory.
DitWeights streamed(DitWeights weights, const std::vector<bool>& waiting) {
  for (std::size_t i = 0; i < waiting.size(); ++i)
    if (waiting[i]) for_each_tensor(weights.blocks[i], [](at::Tensor& tensor) { tensor = on_host(tensor); });
  weights.stream = std::make_shared<BlockStream>(test::device(), weights.blocks, waiting);
  return weights;
}

std::vector<bool> spread(std::size_t count) {
  std::vector<bool> waiting;
  for (std::size_t i = 0; i < block_count; ++i) waiting.push_back(is_spread(i, count, block_count));
  return waiting;
}

at::Tensor velocity(const DitWeights& weights, const at::Tensor& x, double t = 876) {
  const at::Tensor text = at::arange(5 * weights.text_dim, x.options()).view({5, weights.text_dim}).sin();
  return forward(weights, x, static_cast<std::int64_t>(t), text.to(weights.dtype()));
}

at::Tensor latents() { return Golden("dit.safetensors").input("x").to(test::device()); }

class StreamedBlocks : public testing::TestWithParam<Precision> {};

TEST_P(StreamedBlocks, GiveTheBitsOfBlocksThatStayWhicheverWaitAndForwardAfterForward) {
  const DitWeights resident = five_blocks(GetParam());
  const at::Tensor x = latents(), other_x = x.flip(0), wanted = velocity(resident, x),
                   other_wanted = velocity(resident, other_x, 437);
  ASSERT_FALSE(at::equal(wanted, other_wanted));
  for (std::size_t count = 1; count <= block_count; ++count) {
    const DitWeights weights = streamed(resident, spread(count));
    for (int round = 0; round < 2; ++round) {
      EXPECT_TRUE(at::equal(velocity(weights, x), wanted)) << count << " wait, round " << round;
      EXPECT_TRUE(at::equal(velocity(weights, other_x, 437), other_wanted)) << count << " wait, round " << round;
    }
  }
}

TEST_P(StreamedBlocks, AreRightAfterAForwardThatWasGivenUp) {
  const DitWeights resident = five_blocks(GetParam());
  const at::Tensor x = latents(), wanted = velocity(resident, x);
  for (std::size_t last = 0; last < block_count; ++last) {
    const DitWeights weights = streamed(resident, std::vector(block_count, true));
    for (std::size_t i = 0; i <= last; ++i) weights.stream->arrive(i, weights.blocks[i]);
    EXPECT_TRUE(at::equal(velocity(weights, x), wanted)) << "given up after block " << last;
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, StreamedBlocks,
                         testing::Values(Precision::reference, Precision::exact, Precision::fp8_linear),
                         [](const auto& precision) {
                           std::string name = to_string(precision.param);
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(BlockStream, CopiesEachWaitingBlockOnceAForward) {
  const DitWeights weights = streamed(five_blocks(Precision::exact), spread(3));
  std::uint64_t once = 0;
  for (std::size_t i = 0; i < block_count; ++i) {
    DitBlock block = weights.blocks[i];
    if (weights.stream->waits(i)) for_each_streamed_tensor(block, [&](at::Tensor& tensor) { once += tensor.nbytes(); });
  }
  velocity(weights, latents());
  const std::uint64_t after_one = weights.stream->bytes_copied();
  velocity(weights, latents());
  EXPECT_EQ(weights.stream->bytes_copied() - after_one, once);
  EXPECT_LT(after_one, 2 * once) << "besides its own, the first forward asks for one block of the next";
}

TEST(BlockStream, CountsTheBytesThatItCopies) {
  for (const Precision precision :
       {Precision::reference, Precision::exact, Precision::fp8_ffn, Precision::fp8_linear}) {
    const DitWeights weights = tiny_dit("high", precision);
    DitBlock block = weights.blocks.front();
    std::uint64_t bytes = 0;
    for_each_streamed_tensor(block, [&](at::Tensor& tensor) { bytes += tensor.nbytes(); });
    EXPECT_EQ(dit_streamed_bytes(weights.config, precision, WeightForm::as_computed), bytes) << to_string(precision);
  }
}

TEST(BlockStream, WaitingBlocksAreSpreadEvenly) {
  for (std::size_t blocks = 1; blocks <= 40; ++blocks)
    for (std::size_t waiting = 0; waiting <= blocks; ++waiting) {
      std::vector<std::size_t> numbers;
      for (std::size_t i = 0; i < blocks; ++i)
        if (is_spread(i, waiting, blocks)) numbers.push_back(i);
      ASSERT_EQ(numbers.size(), waiting);
      for (std::size_t i = 1; i < waiting; ++i) EXPECT_LE(numbers[i] - numbers[i - 1], blocks / waiting + 1);
    }
}

}  // namespace
}  // namespace wf
