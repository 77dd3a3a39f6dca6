// tests/pipeline/weights/shared_load_mpi_test.cpp: ranks of one node that load a checkpoint together get the
// tensors that a rank alone gets, and read each byte once.
#include <gtest/gtest.h>

#include <cstring>

#include "parallel/node_reader.hpp"
#include "pipeline/weights/checkpoint.hpp"
#include "tests/parallel/all_ranks.hpp"
#include "tests/pipeline/weights/error_message.hpp"
#include "tests/pipeline/weights/made_files.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using test::everyone, test::sum_of_all_ranks;

const Path golden = Path(WF_TEST_DATA) / "golden/tiny";

/// A temporary folder of rank 0 whose path all ranks know; it is removed when all of them are done with it.
class CommonFolder {
 public:
  CommonFolder() : path_(test::of_rank_0(own_.path().string())) {}
  ~CommonFolder() { test::of_all_ranks(0); }
  Path operator/(const std::string& name) const { return path_ / name; }

 private:
  test::TempFolder own_;
  Path path_;
};

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0;
}

/// Expects that all tensors, loaded together, equal those loaded alone, and that together each byte is read once.
void expect_equal_to_unshared(const Path& path, const NodeReader::Ring& ring, at::ScalarType dtype) {
  NodeReader node(MPI_COMM_WORLD, everyone(), {}, ring);
  const Checkpoint together(path, &node), alone(path);
  std::uint64_t stored = 0;
  for (const std::string& name : together.names()) {
    EXPECT_TRUE(same_bits(together.load(name, dtype, at::kCPU), alone.load(name, dtype, at::kCPU))) << name;
    stored += together.entry(name).bytes;
  }
  EXPECT_EQ(sum_of_all_ranks(together.bytes_read()), stored) << path;
  EXPECT_EQ(alone.bytes_read(), stored);
  std::printf("  %-40s %8llu B, of which rank 0 read %llu\n", path.filename().c_str(),
              static_cast<unsigned long long>(stored), static_cast<unsigned long long>(together.bytes_read()));
}

void expect_equal_to_unshared(const Path& path) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16})
    for (const NodeReader::Ring& ring : {NodeReader::Ring(), NodeReader::Ring{.chunk_bytes = 4096, .chunks = 3}})
      expect_equal_to_unshared(path, ring, dtype);
}

TEST(SharedLoad, OfShardsEqualsAnUnsharedLoad) { expect_equal_to_unshared(golden / "high_noise_model"); }

TEST(SharedLoad, OfPthFilesEqualsAnUnsharedLoad) {
  expect_equal_to_unshared(golden / "models_t5_umt5-xxl-enc-bf16.pth");
  expect_equal_to_unshared(golden / "Wan2.1_VAE.pth");
}

TEST(SharedLoad, OfTensorsWithManyChunksAndWithNoneEqualsAnUnsharedLoad) {
  const CommonFolder folder;
  const Path file = folder / "made.safetensors";
  if (test_world().rank() == 0)
    write_safetensors(file, {{"bf16", at::randn({3'000'001}, at::kBFloat16)},
                             {"f64", at::randn({700, 1001}, at::kDouble)},
                             {"one", at::ones({1}, at::kByte)},
                             {"empty", at::empty({0, 5}, at::kFloat)}});
  test::of_all_ranks(0);
  expect_equal_to_unshared(file);
}

TEST(SharedLoad, OfATensorThatIsNotRowMajorEqualsAnUnsharedLoad) {
  const CommonFolder folder;
  const Path file = folder / "transposed.pth";
  if (test_world().rank() == 0)
    std::ofstream(file, std::ios::binary)
        << made::pth(made::dictionary({{"w", made::tensor({.shape = {4, 3}, .strides = {1, 4}})}}));
  test::of_all_ranks(0);
  expect_equal_to_unshared(file);
  NodeReader node(MPI_COMM_WORLD, everyone());
  const at::Tensor rows = at::arange(12, at::kFloat).view({3, 4});
  EXPECT_TRUE(at::equal(Checkpoint(file, &node).load("w", at::kFloat, at::kCPU), rows.t()));
}

TEST(SharedLoad, DescribedWeightsAreDrawnByEachRank) {
  const CommonFolder folder;
  const Path file = folder / "made.random.json";
  if (test_world().rank() == 0)
    std::ofstream(file) << R"({"random_weights": 1, "seed": 4, "part": "p", "dtype": "F32",
                               "tensors": {"w": {"shape": [50, 3], "mean": 0.5, "spread": 1}}})";
  test::of_all_ranks(0);
  expect_equal_to_unshared(file);
}

TEST(SharedLoad, ATruncatedFileIsAnErrorOnAllRanks) {
  const CommonFolder folder;
  const Path file = folder / "made.safetensors";
  if (test_world().rank() == 0) write_safetensors(file, {{"w", at::ones({1'000'000})}});
  test::of_all_ranks(0);
  NodeReader node(MPI_COMM_WORLD, everyone(), {}, {.chunk_bytes = 4096, .chunks = 3});
  const Checkpoint checkpoint(file, &node);
  test::of_all_ranks(0);  // all have read the header
  if (test_world().rank() == 0) std::filesystem::resize_file(file, 2'000'000);
  test::of_all_ranks(0);
  EXPECT_CONTAINS(made::environment_error([&] { checkpoint.load("w", at::kFloat, at::kCPU); }), "has become shorter");
}

}  // namespace
}  // namespace wf
