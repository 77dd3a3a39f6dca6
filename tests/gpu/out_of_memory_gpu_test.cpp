// tests/gpu/out_of_memory_gpu_test.cpp: the error of a stage that does not fit names the size that was requested and
// what to change, and later clips render. A program of its own, because it limits the memory of its process.
#include <regex>

#include "base/error.hpp"
#include "parallel/device.hpp"
#include "tests/gpu/random_clip.hpp"

namespace wf {
namespace {

constexpr std::uint64_t limit = 2ull << 30;

class OutOfMemory : public testing::Test {
 protected:
  static void SetUpTestSuite() { limit_memory(test::device(), limit); }

  static Execution execution(Residency residency = Residency::both) {
    Execution all_on_gpu;
    all_on_gpu.device = all_on_gpu.text_device = test::device();
    all_on_gpu.precision = Precision::exact;
    all_on_gpu.residency = residency;
    return all_on_gpu;
  }

  /// The error of a stage that does not fit.
  static std::string refusal(Clip& clip, Stage stage, Models& models) {
    try {
      advance(clip, stage, models);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::resource);
      return error.what();
    }
    return "it fitted";
  }

  static void expect_names(const std::string& said, const std::string& stage, const std::string& remedy) {
    static const std::regex asked(R"([0-9.]+ [KMG]iB more was asked for)");
    EXPECT_TRUE(std::regex_search(said, asked)) << said;
    EXPECT_NE(said.find("stage " + stage), std::string::npos) << said;
    EXPECT_NE(said.find("of 2.0 GiB hold tensors"), std::string::npos) << said;
    EXPECT_NE(said.find("what helps: " + remedy), std::string::npos) << said;
  }

  static void expect_exchanged_to_suggest(const std::string& remedy, int streamed_blocks);

  static void expect_a_small_clip_renders(Models& models) {
    const test::TempFolder folder;
    Clip clip = short_clip(folder, 128, 96, 5);
    render(clip, models);
    EXPECT_FALSE(clip.frames_sha256.empty());
  }
};

/// An expert of 0.2 GB whose forward at 720p takes 2.5 GB, as does the VAE's decoding.
constexpr ModelSize wide{.dim = 2048, .ffn = 2048, .heads = 16, .layers = 1, .vae_dim = 96};

void OutOfMemory::expect_exchanged_to_suggest(const std::string& remedy, int streamed_blocks) {
  const DescribedModel model(wide);
  Execution exchanged = execution(Residency::exchanged);
  exchanged.streamed_blocks = streamed_blocks;
  Models models(ModelSource{model.path()}, exchanged);
  const test::TempFolder folder;
  Clip clip = short_clip(folder, 1280, 720, 81);
  advance(clip, Stage::text, models);
  expect_names(refusal(clip, Stage::high, models), "high", remedy);
  expect_a_small_clip_renders(models);
}

TEST_F(OutOfMemory, TheLimitIsWhatWasAskedFor) {
  EXPECT_NEAR(static_cast<double>(memory_limit(test::device())), static_cast<double>(limit), 1 << 20);
}

TEST_F(OutOfMemory, ALimitBeyondTheDeviceIsRefused) {
  try {
    limit_memory(test::device(), 1ull << 50);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    EXPECT_NE(std::string(error.what()).find("--gpu-memory"), std::string::npos) << error.what();
  }
}

TEST_F(OutOfMemory, InDenoisingTheErrorNamesTheStageAndSuggestsSwap) {
  const DescribedModel model(wide);
  Models models(ModelSource{model.path()}, execution());
  const test::TempFolder folder;
  Clip clip = short_clip(folder, 1280, 720, 81);
  advance(clip, Stage::text, models);
  expect_names(refusal(clip, Stage::high, models), "high", "--placement swap, or a smaller --size");
  expect_a_small_clip_renders(models);
}

TEST_F(OutOfMemory, WithSwappedExpertsTheErrorSuggestsToStreamThem) {
  expect_exchanged_to_suggest("--placement stream, or a smaller --size or fewer --frames", /*streamed_blocks=*/0);
}

TEST_F(OutOfMemory, WithStreamedExpertsTheErrorSuggestsASmallerSize) {
  expect_exchanged_to_suggest("a smaller --size or fewer --frames", /*streamed_blocks=*/1);
}

TEST_F(OutOfMemory, InDecodingTheErrorNamesTheStage) {
  const DescribedModel model(wide);
  Models models(ModelSource{model.path()}, execution());
  const test::TempFolder folder;
  Clip clip = short_clip(folder, 1280, 720, 9);
  clip.latents.x = at::zeros({16, 3, 90, 160}, at::device(test::device()));
  expect_names(refusal(clip, Stage::decode, models), "decode", "");
  expect_a_small_clip_renders(models);
}

/// 700,000 rows of 2048 bf16 values are 2.9 GB.
TEST_F(OutOfMemory, ForATextEncoderThatDoesNotFitTheErrorSuggestsTheCpu) {
  ModelSize size = wide;
  size.text_dim = 2048, size.text_heads = 16, size.vocabulary = 700'000;
  const DescribedModel model(size);
  Models models(ModelSource{model.path()}, execution());
  const test::TempFolder folder;
  Clip clip = short_clip(folder, 128, 96, 5);
  expect_names(refusal(clip, Stage::text, models), "text", "--text-device cpu");
}

/// Small tensors stay, one in each 128 MiB of almost all memory; between them is room for half of it. The last
/// test of this program, because it changes the allocator for good.
TEST_F(OutOfMemory, MemoryBetweenTensorsThatStayTakesALargeOne) {
  avoid_fragmentation(test::device());
  release_cached_memory(test::device());
  constexpr std::int64_t small = 24 << 20, large = 128 << 20;
  const auto allocated = [](std::int64_t bytes) {
    return at::empty({bytes}, at::device(test::device()).dtype(at::kByte));
  };
  std::vector<at::Tensor> stay, freed;
  for (int i = 0; i < 14; ++i) freed.push_back(allocated(large));
  freed.clear();  // Each tensor below gets a part of the memory of one of these, which is now cached.
  for (int i = 0; i < 14; ++i) {
    stay.push_back(allocated(small));
    freed.push_back(allocated(large - small));
  }
  freed.clear();
  EXPECT_NO_THROW(allocated(limit / 2));
}

}  // namespace
}  // namespace wf
