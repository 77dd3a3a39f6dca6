// tests/pipeline/stages/weights_cache_test.cpp: experts that come from the weights cache are those of the files, bit
// for bit, in every form; and whatever is wrong with the cache, a run has the weights of its files.
#include "pipeline/weights/weights_cache.hpp"

#include <algorithm>
#include <fstream>
#include <functional>
#include <optional>

#include "base/error.hpp"
#include "pipeline/experts/converted_expert.hpp"
#include "pipeline/stages/models.hpp"
#include "tests/golden.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using test::TempFolder;

constexpr auto long_ago = std::chrono::hours(100);

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         at::equal(a.cpu().flatten().view(at::kByte), b.cpu().flatten().view(at::kByte));
}

/// A model and how it is loaded.
struct Case {
  ModelSource source{golden_model()};
  Execution execution;
};

Case exact_case() {
  Case exact;
  exact.execution.precision = Precision::exact;
  exact.execution.device = test::device();
  return exact;
}

Case with_loras(double strength = 1) {
  Case merged = exact_case();
  const Path folder = golden_folder() / "variants/lora";
  merged.source.loras.push_back({.high = folder / "comfy_high.safetensors",
                                 .low = folder / "comfy_low.safetensors",
                                 .high_strength = strength,
                                 .low_strength = strength});
  return merged;
}

class WeightsCacheOfModels : public ::testing::Test {
 protected:
  ~WeightsCacheOfModels() override { inject_file_faults({}); }

  Path folder() const { return folder_ / "cache"; }

  /// Loads both experts, with the cache if `cached`, and waits until it is written. Returns all tensors.
  std::vector<at::Tensor> load(Case run, bool cached = true) const {
    if (cached) run.execution.weights_cache.folder = folder();
    Models models(run.source, run.execution);
    std::vector<at::Tensor> all;
    for (const Expert which : {Expert::high, Expert::low})
      for (const at::Tensor& tensor : tensors_of(models.expert(which))) all.push_back(tensor.clone());
    return all;
  }
  void expect_source_weights(const Case& run) const {
    const std::vector<at::Tensor> ours = load(run), wanted = load(run, /*cached=*/false);
    ASSERT_EQ(ours.size(), wanted.size());
    for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_TRUE(same_bits(ours[i], wanted[i])) << i;
  }

  std::vector<Path> files() const {
    std::vector<Path> files;
    for (const CacheEntry& entry : cache_entries(folder())) files.push_back(entry.file);
    std::ranges::sort(files);
    return files;
  }
  void age() const {
    for (const Path& file : files())
      std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now() - long_ago);
  }
  /// The files that were loaded or written since age().
  std::size_t used() const {
    const auto limit = std::filesystem::file_time_type::clock::now() - long_ago / 2;
    return static_cast<std::size_t>(std::ranges::count_if(
        files(), [&](const Path& file) { return std::filesystem::last_write_time(file) > limit; }));
  }
  /// A second load has the same bits, and used both files, which it did not write.
  void expect_cached(const Case& run) const {
    expect_source_weights(run);
    ASSERT_EQ(files().size(), 2u);
    const auto before = files();
    age();
    expect_source_weights(run);
    EXPECT_EQ(used(), 2u);
    EXPECT_EQ(files(), before);
  }

  TempFolder folder_;
};

TEST_F(WeightsCacheOfModels, ASecondLoadHasTheSameBitsInBf16) { expect_cached(exact_case()); }

TEST_F(WeightsCacheOfModels, ASecondLoadHasTheSameBitsInFp8) {
  Case rounded = exact_case();
  rounded.execution.weights = WeightForm::fp8;
  expect_cached(rounded);
}

TEST_F(WeightsCacheOfModels, ASecondLoadHasTheSameBitsWithProductsIn8Bits) {
  for (const Precision precision : {Precision::fp8_ffn, Precision::fp8}) {
    Case products = exact_case();
    products.execution.precision = precision;
    products.execution.exact_blocks = {{0}, {1}};
    expect_cached(products);
    std::filesystem::remove_all(folder());
  }
}

TEST_F(WeightsCacheOfModels, ASecondLoadHasTheSameBitsWithLoras) { expect_cached(with_loras(0.75)); }

TEST_F(WeightsCacheOfModels, ASecondLoadHasTheSameBitsWithLorasInF32) {
  Case reference = with_loras();
  reference.execution.precision = Precision::reference;
  expect_cached(reference);
}

TEST_F(WeightsCacheOfModels, ASecondLoadHasTheSameBitsWhereExpertsTakeTurns) {
  Case swapped = exact_case();
  swapped.execution.residency = Residency::exchanged;
  expect_cached(swapped);
  Case streamed = swapped;
  streamed.execution.streamed_blocks = 1;
  for (const Case& same_weights : {exact_case(), streamed}) {
    age();
    expect_source_weights(same_weights);
    EXPECT_EQ(used(), 2u);
    EXPECT_EQ(files().size(), 2u);
  }
}

TEST_F(WeightsCacheOfModels, WhatHasNoSmallerFormIsNotKept) {
  Case reference;
  reference.execution.precision = Precision::reference;
  expect_source_weights(reference);
  Case bf16 = exact_case();
  bf16.source.high = golden_folder() / "variants/single/high_fp16.safetensors";
  bf16.source.low = golden_folder() / "variants/single/low_fp16.safetensors";
  expect_source_weights(bf16);
  EXPECT_TRUE(files().empty());
}

TEST_F(WeightsCacheOfModels, AnotherPrecisionStrengthOrSetOfExactBlocksHasFilesOfItsOwn) {
  Case precision = exact_case(), blocks = exact_case();
  precision.execution.precision = Precision::fp8_ffn;
  blocks.execution.precision = Precision::fp8_ffn;
  blocks.execution.exact_blocks = {{0}, {0}};
  std::size_t count = 0;
  for (const Case& run : {exact_case(), precision, blocks, with_loras(1), with_loras(0.5)}) {
    expect_source_weights(run);
    EXPECT_EQ(files().size(), count += 2);
  }
}

/// Size, headers and sampled bytes of the changed file are those of the original one.
TEST_F(WeightsCacheOfModels, AnotherModelOfTheSameSizesHasFilesOfItsOwn) {
  Case copied = exact_case();
  copied.source.from = folder_ / "model";
  std::filesystem::copy(golden_model(), copied.source.from, std::filesystem::copy_options::recursive);
  expect_source_weights(copied);
  const Path shard = copied.source.from / "high_noise_model/diffusion_pytorch_model-00002-of-00003.safetensors";
  std::fstream(shard, std::ios::in | std::ios::out | std::ios::binary).seekp(-4, std::ios::end).write("\0\0\0\x40", 4);
  expect_source_weights(copied);
  EXPECT_EQ(files().size(), 3u) << "the low-noise expert is the same";
}

/// What `damage` makes of each file is not used, and a whole file takes its place.
class DamagedCache : public WeightsCacheOfModels {
 protected:
  void expect_replaced(const std::function<void(const Path&)>& damage) {
    const Case run = with_loras();
    expect_source_weights(run);
    ASSERT_EQ(files().size(), 2u);
    for (const Path& file : files()) damage(file);
    expect_source_weights(run);
    ASSERT_EQ(files().size(), 2u);
    for (const CacheEntry& entry : cache_entries(folder(), CacheCheck::data))
      EXPECT_EQ(entry.state, CacheEntry::complete) << entry.damage;
  }
  static void flip(const Path& file, double place) {
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    const auto at = static_cast<std::streamoff>(place * static_cast<double>(std::filesystem::file_size(file) - 1));
    const int byte = bytes.seekg(at).get();
    bytes.seekp(at).put(static_cast<char>(byte ^ 1));
  }
};

TEST_F(DamagedCache, ACutFileIsNotUsed) {
  expect_replaced([](const Path& file) { std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2); });
}
TEST_F(DamagedCache, AnEmptyFileIsNotUsed) {
  expect_replaced([](const Path& file) { std::filesystem::resize_file(file, 0); });
}
TEST_F(DamagedCache, AFlippedBitInTheHeaderIsFound) {
  expect_replaced([](const Path& file) { flip(file, 0.001); });
}
TEST_F(DamagedCache, AFlippedBitInTheDataIsFound) {
  for (const double place : {0.2, 0.5, 0.9999}) expect_replaced([&](const Path& file) { flip(file, place); });
}
TEST_F(DamagedCache, TheFileOfAnotherExpertInItsPlaceIsNotUsed) {
  Path first;
  expect_replaced([&](const Path& file) {
    if (first.empty())
      first = file;
    else
      std::filesystem::copy_file(first, file, std::filesystem::copy_options::overwrite_existing);
  });
}

TEST_F(WeightsCacheOfModels, APartThatAKilledRunLeftIsReplaced) {
  expect_source_weights(exact_case());
  const std::vector<Path> whole = files();
  for (const Path& file : whole) std::filesystem::rename(file, file.string() + ".part");
  for (const Path& file : whole) std::filesystem::resize_file(file.string() + ".part", 5000);
  expect_source_weights(exact_case());
  EXPECT_EQ(files(), whole);
}

TEST_F(WeightsCacheOfModels, AFullDiskOrAFolderThatCannotBeWrittenLeavesNothingAndIsNoError) {
  for (const FileStep step : {FileStep::open, FileStep::write, FileStep::flush, FileStep::rename}) {
    inject_file_faults([=](FileStep at, const Path&) { return at == step ? ENOSPC : 0; });
    expect_source_weights(exact_case());
    EXPECT_TRUE(files().empty()) << static_cast<int>(step);
  }
}

TEST_F(WeightsCacheOfModels, AFolderThatCannotBeMadeIsNoError) {
  std::ofstream(folder()) << "a file";
  Case run = exact_case();
  run.execution.weights_cache.folder = folder() / "below";
  Models models(run.source, run.execution);
  EXPECT_TRUE(models.expert(Expert::high).head.weight.defined());
}

TEST_F(WeightsCacheOfModels, TheLimitRemovesWhatWasUsedLeastRecently) {
  expect_source_weights(exact_case());
  const std::vector<Path> old = files();
  age();
  Case limited = exact_case();
  limited.execution.precision = Precision::fp8_ffn;
  limited.execution.weights_cache.limit = 2 * std::filesystem::file_size(old.front());
  expect_source_weights(limited);
  EXPECT_EQ(files().size(), 2u);
  for (const Path& file : old) EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(WeightsCacheOfModels, WhatIsLargerThanTheLimitIsNotKept) {
  Case limited = exact_case();
  limited.execution.weights_cache.limit = 1000;
  expect_source_weights(limited);
  EXPECT_TRUE(files().empty());
}

TEST_F(WeightsCacheOfModels, WhatIsAbandonedLeavesNothing) {
  Case run = exact_case();
  run.execution.weights_cache.folder = folder();
  {
    Models models(run.source, run.execution);
    models.abandon_copies();
    models.expert(Expert::high);
  }
  EXPECT_TRUE(files().empty());
}

TEST_F(WeightsCacheOfModels, AnotherProcessThatWritesTheFileIsNotDisturbed) {
  expect_source_weights(exact_case());
  const std::vector<Path> whole = files();
  for (const Path& file : whole) std::filesystem::remove(file);
  const CacheWriteLock first(whole[0]), second(whole[1]);
  expect_source_weights(exact_case());
  EXPECT_TRUE(files().empty());
}

}  // namespace
}  // namespace wf
