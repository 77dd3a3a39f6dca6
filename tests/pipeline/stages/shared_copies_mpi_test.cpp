// tests/pipeline/stages/shared_copies_mpi_test.cpp: ranks that exchange experts have one copy of each in host memory
// together, with the bits that a rank alone has.
#include <algorithm>
#include <atomic>

#include "parallel/node_reader.hpp"
#include "pipeline/stages/models.hpp"
#include "tests/golden.hpp"
#include "tests/parallel/all_ranks.hpp"
#include "tests/pipeline/model/tiny_dit.hpp"

namespace wf {
namespace {

const std::vector<Expert> both{Expert::high, Expert::low};

Execution exchanging(int streamed_blocks) {
  Execution execution;
  execution.residency = Residency::exchanged;
  execution.streamed_blocks = streamed_blocks;
  return execution;
}

std::vector<at::Tensor> tensors_of(DitWeights weights) {
  std::vector<at::Tensor> tensors;
  for_each_tensor(weights, [&](const at::Tensor& tensor) { tensors.push_back(tensor); });
  return tensors;
}

bool lies_in(const at::Tensor& tensor, const HostMemory& memory) {
  const auto* const begin = static_cast<const std::byte*>(tensor.const_data_ptr());
  return begin >= memory.data() && begin + tensor.nbytes() <= memory.data() + memory.bytes();
}

/// The models of a rank whose copies all ranks share.
struct SharingModels {
  explicit SharingModels(const Execution& execution) : models(ModelSource{golden_model()}, execution) {
    blocks = share_host_memory(test_world(), test::everyone(), models.host_copies(both));
    models.keep_copies_in(blocks, both);
  }

  void load_together() {
    NodeReader node(MPI_COMM_WORLD, test::everyone());
    for (const Part part : {Part::low_expert, Part::high_expert}) models.load_ahead(part, node);
  }

  Models models;
  std::vector<std::shared_ptr<HostMemory>> blocks;  ///< of the high-noise and the low-noise expert
};

/// Takes both experts to the device several times; from the second time on they come from the shared copy. On a CPU
/// what has come from there lies there still, but for blocks that the forward waits for.
void expect_shared_and_right(SharingModels& sharing) {
  Models alone(ModelSource{golden_model()}, Execution());
  for (const Expert which : {Expert::high, Expert::low, Expert::high, Expert::low, Expert::high}) {
    const std::vector<at::Tensor> ours = tensors_of(sharing.models.expert(which)),
                                  wanted = tensors_of(alone.expert(which));
    ASSERT_EQ(ours.size(), wanted.size());
    for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_TRUE(at::equal(ours[i], wanted[i])) << i;
  }
  for (const Expert which : {Expert::low, Expert::high}) {
    const HostMemory& memory = *sharing.blocks[which == Expert::high ? 0 : 1];
    EXPECT_TRUE(memory.is_written());
    for (const at::Tensor& tensor : tensors_of(sharing.models.expert(which))) EXPECT_TRUE(lies_in(tensor, memory));
  }
}

TEST(SharedCopies, AreTheExpertsThatRanksExchange) {
  SharingModels sharing(exchanging(/*streamed_blocks=*/0));
  expect_shared_and_right(sharing);
}

TEST(SharedCopies, AreTheExpertsThatRanksHaveLoadedTogether) {
  for (const int streamed : {0, 1, 2}) {
    SharingModels sharing(exchanging(streamed));
    sharing.load_together();
    expect_shared_and_right(sharing);
  }
}

TEST(SharedCopies, OfStreamedExpertsAreLoadedByOneRankForAll) {
  SharingModels sharing(exchanging(/*streamed_blocks=*/1));
  expect_shared_and_right(sharing);
}

/// Every rank in turn begins to write each copy and fails in the middle.
TEST(SharedCopies, AreRightAfterWritersThatFailed) {
  for (const int streamed : {0, 1}) {
    SharingModels sharing(exchanging(streamed));
    for (const auto& block : sharing.blocks) {
      const auto turn = block->wait_for_turn();
      std::fill_n(block->data(), block->bytes() / 2, std::byte{0xff});
    }
    expect_shared_and_right(sharing);
  }
}

/// A copy that one rank has made is there for the others, which do not read the files any more.
TEST(SharedCopies, AreThereForRanksThatHaveNotLoadedTheExpert) {
  SharingModels sharing(exchanging(/*streamed_blocks=*/0));
  if (test_world().rank() == 0) {
    sharing.models.expert(Expert::low);
    sharing.models.expert(Expert::high);
  }
  test::of_all_ranks(0);
  for (const at::Tensor& tensor : tensors_of(sharing.models.expert(Expert::low)))
    EXPECT_EQ(lies_in(tensor, *sharing.blocks[1]), true);
}

TEST(SharedCopies, HaveTheSameKeysOnAllRanksAndOthersForOtherExperts) {
  const Models models(ModelSource{golden_model()}, exchanging(0));
  const std::vector<WantedMemory> copies = models.host_copies(both);
  ASSERT_EQ(copies.size(), 2u);
  EXPECT_NE(copies[0].key, copies[1].key);
  for (const WantedMemory& copy : copies)
    for (const std::int64_t key : test::of_all_ranks(copy.key)) EXPECT_EQ(static_cast<std::uint64_t>(key), copy.key);
  Execution in_8_bits = exchanging(0);
  in_8_bits.weights = WeightForm::fp8;
  EXPECT_NE(Models(ModelSource{golden_model()}, in_8_bits).host_copies(both)[0].key, copies[0].key);
}

TEST(SharedCopies, GiveAnExpertThatIsLoadedBehindToAllRanksWhichReadItOnce) {
  std::atomic<std::uint64_t> loads = 0;
  const auto load = [&](Expert which, NodeReader*, const WeightPeer*, const SettleBlock&) {
    loads += which == Expert::low ? 1 : 0;
    return tiny_dit(which == Expert::low ? "low" : "high", Precision::reference);
  };
  const DitWeights like = tiny_dit("low", Precision::reference);
  for (const bool behind : {true, false}) {
    Experts experts(Residency::both, at::kCPU, load);
    const auto blocks = share_host_memory(test_world(), test::everyone(), {{HostLayout(like).bytes, 1}});
    experts.keep_copy_in(Expert::low,
                         std::make_unique<HostExpert>(like, blocks[0], at::kCPU, HostExpert::Pages::plain));
    experts.use(Expert::high);
    if (behind) experts.load_behind(Expert::low);
    const std::vector<at::Tensor> ours = tensors_of(experts.use(Expert::low)), wanted = tensors_of(like);
    for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_TRUE(at::equal(ours[i], wanted[i])) << i;
    for (const at::Tensor& tensor : ours) EXPECT_FALSE(lies_in(tensor, *blocks[0])) << "it is on the device";
    EXPECT_EQ(test::sum_of_all_ranks(loads.exchange(0)), 1u) << (behind ? "behind" : "when it is used");
  }
}

TEST(SharedCopies, AreMadeByTheRankThatLoadsAnExpertBehind) {
  SharingModels sharing(exchanging(/*streamed_blocks=*/0));
  sharing.models.expert(Expert::high);
  sharing.models.load_behind(Expert::low);
  expect_shared_and_right(sharing);
}

}  // namespace
}  // namespace wf
