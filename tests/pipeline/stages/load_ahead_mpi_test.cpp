// tests/pipeline/stages/load_ahead_mpi_test.cpp: ranks of a node that load the parts of a model together get the same
// weights as a rank that loads them alone, and all of them fail when one of them cannot load.
#include "parallel/node_reader.hpp"
#include "pipeline/stages/models.hpp"
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
