// tests/gpu/peer_tensors_gpu_test.cpp: two ranks copy tensors from each other's GPUs: every bit of any kind of tensor,
// and the other rank's memory is closed afterwards.
#include <cstdlib>

#include "base/error.hpp"
#include "parallel/device.hpp"
#include "parallel/peer_memory.hpp"
#include "parallel/peer_tensors.hpp"
#include "pipeline/experts/peer_expert.hpp"
#include "tests/gpu/own_gpu.hpp"
#include "tests/pipeline/model/tiny_dit.hpp"

namespace wf {
namespace {

using test::on_own_gpu, test::own_gpu;

/// The bytes that the other rank passes.
Bytes exchanged(const Bytes& own) {
  const auto ranks = mpi_communicator(test_world());
  const std::string others = all_gather_texts(*ranks, {own.begin(), own.end()}).at(ranks->rank() == 0 ? 1 : 0);
  return {others.begin(), others.end()};
}

void wait_for_all() { mpi_communicator(test_world())->barrier(); }

/// Tensors of a rank in all forms that weights may have: small ones, which share a segment of the allocator, large
/// ones, parts of another tensor, and one without dimensions.
std::vector<at::Tensor> tensors_of(int rank) {
  const at::Tensor many = on_own_gpu(at::arange(1 << 24).mul(7).add(1000 * rank).remainder(251));
  const at::Tensor rows = many.narrow(0, 0, 6000).to(at::kFloat).view({6, 1000});
  std::vector<at::Tensor> tensors{many, rows.narrow(0, 2, 3), rows.narrow(0, 5, 1).squeeze(0), many.sum()};
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf, at::kByte, at::kFloat8_e4m3fn})
    for (const std::int64_t size : {1, 999, 1 << 22})
      tensors.push_back(many.narrow(0, 0, size).to(at::kFloat).to(type));
  synchronize(own_gpu());
  return tensors;
}

TEST(PeerTensors, CopiesHaveTheBitsOfTheOtherRanksTensors) {
  const int rank = test_world().rank();
  const std::vector<at::Tensor> own = tensors_of(rank), wanted = tensors_of(1 - rank);
  for (int round = 0; round < 2; ++round) {  // memory that was closed is opened again
    const Bytes shared = exchanged(share_tensors(own));
    ASSERT_FALSE(shared.empty());
    const std::vector<at::Tensor> copies = copy_shared(shared, wanted, own_gpu());
    wait_for_all();
    ASSERT_EQ(copies.size(), wanted.size());
    for (std::size_t i = 0; i < copies.size(); ++i) {
      EXPECT_EQ(copies[i].device(), own_gpu());
      EXPECT_EQ(copies[i].scalar_type(), wanted[i].scalar_type());
      EXPECT_TRUE(at::equal(copies[i].view(-1).view(at::kByte), wanted[i].view(-1).view(at::kByte))) << i;
    }
  }
}

TEST(PeerTensors, CopiesStayWhenTheOtherRankFreesItsTensors) {
  const int rank = test_world().rank();
  std::vector<at::Tensor> own = tensors_of(rank);
  const std::vector<at::Tensor> wanted = tensors_of(1 - rank);
  const Bytes shared = exchanged(share_tensors(own));
  const std::vector<at::Tensor> copies = copy_shared(shared, wanted, own_gpu());
  wait_for_all();
  own.clear();
  release_cached_memory(own_gpu());
  synchronize(own_gpu());
  wait_for_all();
  EXPECT_TRUE(at::equal(copies.front(), wanted.front()));
}

TEST(PeerTensors, OtherShapesOrDtypesAreRefused) {
  const std::vector<at::Tensor> own{on_own_gpu(at::ones({4, 3}))};
  const Bytes shared = exchanged(share_tensors(own));
  const auto meta = at::device(at::kMeta);
  const std::vector<std::vector<at::Tensor>> others{
      {}, {at::empty({3, 4}, meta)}, {at::empty({4, 3}, meta.dtype(at::kInt))}, {own[0], own[0]}};
  for (const auto& other : others) EXPECT_THROW(copy_shared(shared, other, own_gpu()), Error);
  EXPECT_TRUE(at::equal(copy_shared(shared, {at::empty({4, 3}, meta)}, own_gpu()).front(), own[0]));
  wait_for_all();
}

TEST(PeerTensors, OnACpuOrSwitchedOffNothingIsShared) {
  EXPECT_TRUE(share_tensors({}).empty());
  EXPECT_TRUE(share_tensors({at::ones({4})}).empty()) << "on the CPU";
  ::setenv("WANFARM_PEER_COPIES", "0", 1);
  EXPECT_TRUE(share_tensors({on_own_gpu(at::ones({4}))}).empty());
  ::unsetenv("WANFARM_PEER_COPIES");
}

DitWeights on(at::Device device, const std::string& expert) {
  const Path folder = golden_model() / (expert + "_noise_model");
  return load_dit({Network::expert, folder}, read_dit_config(folder / "config.json"), Precision::exact, device);
}

TEST(PeerExpert, EqualsTheExpertLoadedFromFiles) {
  const DitWeights own = on(own_gpu(), test_world().rank() == 0 ? "high" : "low");
  const std::string others = test_world().rank() == 0 ? "low" : "high";
  synchronize(own_gpu());
  const WeightPeer peer{1 - test_world().rank(), [&] { return WeightLease{exchanged(share_expert(own)), nullptr}; }};
  std::optional<DitWeights> copy = copy_peer_expert(peer, on(at::kMeta, others), own_gpu(), others);
  wait_for_all();
  ASSERT_TRUE(copy);
  DitWeights wanted = on(own_gpu(), others);
  std::vector<at::Tensor> tensors;
  for_each_tensor(wanted, [&](at::Tensor& tensor) { tensors.push_back(tensor); });
  std::size_t i = 0;
  for_each_tensor(*copy, [&](at::Tensor& tensor) { EXPECT_TRUE(at::equal(tensor, tensors.at(i++))); });
  EXPECT_EQ(copy->precision, wanted.precision);
  EXPECT_EQ(copy->text_dim, wanted.text_dim);
}

}  // namespace
}  // namespace wf
