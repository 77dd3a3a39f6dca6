// tests/pipeline/stages/load_ahead_mpi_test.cpp: ranks of a node that load the parts of a model together get the same
// weights as a rank that loads them alone, and all of them fail when one of them cannot load.
#include <algorithm>
#include <fstream>

#include "parallel/node_reader.hpp"
#include "pipeline/stages/models.hpp"
#include "pipeline/weights/weights_cache.hpp"
#include "tests/golden.hpp"
#include "tests/parallel/all_ranks.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

Execution execution_with(Residency residency) {
  Execution execution;
  execution.residency = residency;
  return execution;
}

std::vector<at::Tensor> tensors_of(DitWeights weights) {
  std::vector<at::Tensor> tensors;
  for_each_tensor(weights, [&](at::Tensor& tensor) { tensors.push_back(tensor); });
  return tensors;
}

void expect_same(const DitWeights& together, const DitWeights& alone) {
  const auto a = tensors_of(together), b = tensors_of(alone);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(at::equal(a[i], b[i])) << i;
}

TEST(LoadAhead, GivesTheSamePartsInEveryResidency) {
  for (const Residency residency : {Residency::both, Residency::exchanged, Residency::one}) {
    NodeReader node(MPI_COMM_WORLD, test::everyone());
    const ModelSource tiny{golden_model()};
    Models together(tiny, execution_with(residency)), alone(tiny, execution_with(Residency::both));
    for (const Part part : {Part::vae, Part::text_encoder, Part::low_expert, Part::high_expert})
      together.load_ahead(part, node);
    for (const Expert which : {Expert::high, Expert::low}) expect_same(together.expert(which), alone.expert(which));
    EXPECT_TRUE(at::equal(together.vae().decoder_in.weight, alone.vae().decoder_in.weight));
    EXPECT_TRUE(at::equal(together.embed("rain").text, alone.embed("rain").text));
  }
}

/// The files are removed once the parts are loaded.
TEST(LoadAhead, LeavesNothingOfAPartToBeReadLater) {
  const test::TempFolder own;
  const Path folder = test::of_rank_0(own.path().string()) + "/model";
  if (test_world().rank() == 0) std::filesystem::copy(golden_model(), folder, std::filesystem::copy_options::recursive);
  test::of_all_ranks(0);
  NodeReader node(MPI_COMM_WORLD, test::everyone());
  Models models(ModelSource{folder}, execution_with(Residency::exchanged));
  for (const Part part : {Part::vae, Part::low_expert, Part::high_expert}) models.load_ahead(part, node);
  test::of_all_ranks(0);
  if (test_world().rank() == 0) std::filesystem::remove_all(folder);
  test::of_all_ranks(0);
  EXPECT_TRUE(models.vae().decoder_in.weight.defined());
  for (const Expert which : {Expert::high, Expert::low, Expert::high})
    EXPECT_FALSE(models.expert(which).blocks.empty());
  EXPECT_THROW(models.text_encoder(), Error) << "the files were not removed";
}

/// Experts of the golden model in bf16, loaded together with a cache in a folder of rank 0.
class CachedExperts : public ::testing::Test {
 protected:
  ~CachedExperts() override { test::of_all_ranks(0); }

  Path folder() const { return folder_; }
  /// Collective. Returns when the ranks have written what they write. Expects the weights of the files.
  void load_together() const {
    Execution execution = execution_with(Residency::both);
    execution.precision = Precision::exact;
    Models alone(ModelSource{golden_model()}, execution);
    execution.weights_cache.folder = folder();
    {
      NodeReader node(MPI_COMM_WORLD, test::everyone());
      Models together(ModelSource{golden_model()}, execution);
      for (const Part part : {Part::low_expert, Part::high_expert}) together.load_ahead(part, node);
      for (const Expert which : {Expert::high, Expert::low}) expect_same(together.expert(which), alone.expert(which));
    }
    test::of_all_ranks(0);
  }
  std::vector<CacheEntry> entries() const { return cache_entries(folder(), CacheCheck::data); }
  /// On rank 0 alone.
  void on_each_file(const std::function<void(const Path&)>& change) const {
    if (test_world().rank() == 0)
      for (const CacheEntry& entry : entries()) change(entry.file);
    test::of_all_ranks(0);
  }

 private:
  const test::TempFolder own_;
  const Path folder_ = test::of_rank_0((own_ / "cache").string());
};

TEST_F(CachedExperts, AreWrittenOnceAndReadByAllRanks) {
  load_together();
  ASSERT_EQ(entries().size(), 2u);
  const auto long_ago = std::filesystem::file_time_type::clock::now() - std::chrono::hours(9);
  on_each_file([&](const Path& file) { std::filesystem::last_write_time(file, long_ago); });
  load_together();
  for (const CacheEntry& entry : entries()) {
    EXPECT_EQ(entry.state, CacheEntry::complete) << entry.damage;
    EXPECT_GT(std::filesystem::last_write_time(entry.file), long_ago) << "it was not used";
  }
}

/// One rank alone reads the damaged bytes.
TEST_F(CachedExperts, AreReadByNoRankFromADamagedFile) {
  load_together();
  on_each_file([](const Path& file) {
    const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(file) / 2);
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    const int byte = bytes.seekg(middle).get();
    bytes.seekp(middle).put(static_cast<char>(byte ^ 64));
  });
  load_together();
  ASSERT_EQ(entries().size(), 2u);
  for (const CacheEntry& entry : entries()) EXPECT_EQ(entry.state, CacheEntry::complete) << entry.damage;
}

/// Here the last rank fails before it reads anything: the VAE's file is missing from its folder.
TEST(LoadAhead, AFailureOfOneRankIsThrownOnAllAndNamesTheRank) {
  const test::TempFolder own;
  const Path folder = own / "model";
  std::filesystem::copy(golden_model(), folder, std::filesystem::copy_options::recursive);
  NodeReader node(MPI_COMM_WORLD, test::everyone());
  const int last = test_world().size() - 1;
  Models models(ModelSource{test_world().rank() == last ? folder : golden_model()}, Execution());
  std::filesystem::remove(folder / "Wan2.1_VAE.pth");
  try {
    models.load_ahead(Part::vae, node);
    ADD_FAILURE() << "no exception";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::environment);
    const std::string text = error.what();
    EXPECT_NE(text.find("Wan2.1_VAE.pth"), std::string::npos) << text;
    EXPECT_EQ(text.starts_with("rank " + std::to_string(last) + ": "), test_world().rank() != last) << text;
  }
}

}  // namespace
}  // namespace wf
