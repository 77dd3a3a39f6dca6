// tests/pipeline/weights/staged_files_test.cpp: a model's files on a node's own disk are the same model, are copied
// once for all who ask, and never half.
#include "pipeline/weights/staged_files.hpp"

#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>

#include <fstream>
#include <mutex>
#include <thread>

#include "base/text.hpp"
#include "pipeline/weights/lora.hpp"
#include "tests/golden.hpp"
#include "tests/pipeline/weights/error_message.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

std::vector<Path> files_of(const ModelFiles& model) {
  return {model.high.weights, model.high.config, model.low.weights, model.low.config,
          model.text_encoder, model.vae,         model.tokenizer};
}

bool is_below(const Path& folder, const Path& path) {
  return path.lexically_relative(folder).native().find("..") == std::string::npos;
}

void change_a_byte(const Path& file) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(100);
  const int byte = stream.get();
  stream.seekp(100);
  stream.put(static_cast<char>(byte ^ 1));
}

class StagedModel : public ::testing::Test {
 protected:
  ~StagedModel() override { inject_file_faults({}); }

  ModelFiles stage() const { return staged(model_, id_, folder_.path()); }
  /// Counts the files that are copied from now on, and expects them in the staging folder of `id`.
  void count_copies(const std::string& id) {
    inject_file_faults([this, place = staging_folder(id, folder_.path())](FileStep step, const Path& file) {
      const std::scoped_lock lock(mutex_);
      copies_ += step == FileStep::open;
      EXPECT_TRUE(is_below(place, file.lexically_normal())) << file;
      return 0;
    });
  }
  void count_copies() { count_copies(id_); }

  /// Stages the model of this source, whose copy must be the same model and lie in the staging folder.
  ModelFiles expect_staged(const ModelSource& source) {
    const ModelFiles model = find_model(source);
    const std::string id = identity(model);
    count_copies(id);
    const ModelFiles copy = staged(model, id, folder_.path());
    EXPECT_EQ(identity(copy), id);
    for (const Path& file : files_of(copy)) EXPECT_TRUE(is_below(staging_folder(id, folder_.path()), file)) << file;
    copies_ = 0;
    EXPECT_EQ(identity(staged(model, id, folder_.path())), id);
    EXPECT_EQ(copies_, 0) << "it is there already";
    return copy;
  }

  test::TempFolder folder_;
  ModelFiles model_ = find_model({golden_model()});
  const std::string id_ = identity(model_);
  std::mutex mutex_;
  int copies_ = 0;
};

TEST_F(StagedModel, HasTheIdentityNamesAndDatesOfTheOriginal) {
  const ModelFiles copy = stage();
  EXPECT_EQ(identity(copy), id_);
  EXPECT_EQ(copy.root, model_.root);
  const std::vector<Path> from = files_of(model_), to = files_of(copy);
  for (std::size_t i = 0; i < from.size(); ++i) {
    EXPECT_TRUE(is_below(staging_folder(id_, folder_.path()), to[i])) << to[i];
    EXPECT_EQ(from[i].filename(), to[i].filename());
    if (!std::filesystem::is_regular_file(from[i])) continue;
    EXPECT_EQ(std::filesystem::last_write_time(from[i]), std::filesystem::last_write_time(to[i])) << to[i];
  }
  EXPECT_EQ(expert_identity(copy.high), expert_identity(model_.high)) << "which names weights that are kept converted";
}

TEST_F(StagedModel, IsCopiedOnceForAllWhoAsk) {
  count_copies();
  {
    std::vector<std::jthread> ranks;
    for (int i = 0; i < 4; ++i) ranks.emplace_back([this] { EXPECT_EQ(identity(stage()), id_); });
  }
  const int of_all = copies_;
  std::filesystem::remove_all(staging_folder(id_, folder_.path()));
  copies_ = 0;
  stage();
  EXPECT_EQ(of_all, copies_) << "files are copied when one asks";
  copies_ = 0;
  stage();
  EXPECT_EQ(copies_, 0) << "it is there already";
}

TEST_F(StagedModel, IsCopiedAgainWhereAFileIsMissingCutOrChanged) {
  const Path vae = stage().vae;
  const std::vector<std::pair<const char*, std::function<void()>>> damages{
      {"missing", [&] { std::filesystem::remove(vae); }},
      {"cut", [&] { std::filesystem::resize_file(vae, std::filesystem::file_size(vae) / 2); }},
      {"changed", [&] { change_a_byte(vae); }}};
  for (const auto& [how, damage] : damages) {
    damage();
    EXPECT_EQ(identity(stage()), id_) << how;
  }
}

TEST_F(StagedModel, TakesItsLorasAndSinglePartsAlong) {
  model_.high.loras = model_.low.loras = {{golden_folder() / "variants/lora/peft.safetensors", 0.5}};
  const std::string id = identity(model_);
  EXPECT_NE(id, id_);
  const ModelFiles copy = staged(model_, id, folder_.path());
  EXPECT_EQ(identity(copy), id);
  EXPECT_EQ(copy.high.loras.front().file, copy.low.loras.front().file) << "a file of both experts is copied once";
}

/// Their sizes are those of the config.json in the folder that the other parts come from.
TEST_F(StagedModel, WithSingleFilesOfExpertsIsCopiedToTheStagingFolderAlone) {
  const Path single = golden_folder() / "variants/single";
  const test::TempFolder user;
  make_folder(user / "data");
  std::filesystem::copy(golden_model(), user / "data/Wan", std::filesystem::copy_options::recursive);
  for (const Path& folder : {user / "u/x/y", user / "data/Wan/experts", user.path()}) {
    make_folder(folder);
    for (const char* expert : {"high_fp16.safetensors", "low_fp16.safetensors"})
      std::filesystem::copy_file(single / expert, folder / expert);
    const ModelFiles copy = expect_staged(
        {.from = user / "data/Wan", .high = folder / "high_fp16.safetensors", .low = folder / "low_fp16.safetensors"});
    EXPECT_NE(copy.high.config, copy.low.config);
  }
}

TEST_F(StagedModel, WithBothExpertsBesideOneConfigIsTheSameModel) {
  const test::TempFolder user;
  for (const char* expert : {"high", "low"})
    std::filesystem::copy_file(golden_folder() / "variants/single" / fmt::format("{}_fp16.safetensors", expert),
                               user / fmt::format("{}.safetensors", expert));
  std::filesystem::copy_file(golden_model() / "high_noise_model/config.json", user / "config.json");
  const ModelSource source{.high = user / "high.safetensors",
                           .low = user / "low.safetensors",
                           .text = model_.text_encoder,
                           .vae = model_.vae,
                           .tokenizer = model_.tokenizer};
  ASSERT_EQ(find_model(source).high.config, find_model(source).low.config);
  expect_staged(source);
}

TEST_F(StagedModel, WithTwoLorasBesideOneConfigIsTheSameModel) {
  const test::TempFolder user;
  for (const char* name : {"first.safetensors", "second.safetensors"})
    std::filesystem::copy_file(golden_folder() / "variants/lora/peft.safetensors", user / name);
  user.write("adapter_config.json", R"({"lora_alpha": 3})");
  const Path first = user / "first.safetensors", second = user / "second.safetensors";
  const ModelFiles copy = expect_staged(
      {.from = golden_model(), .loras = {{.high = first, .low = first}, {.high = second, .low = second}}});
  for (const LoraFile& lora : copy.high.loras) EXPECT_TRUE(adapter_config_of(lora.file)) << lora.file;
}

/// A path may name the part by where it is from here.
TEST_F(StagedModel, WithAPartWhosePathEndsInDotsIsCopiedToTheStagingFolderAlone) {
  expect_staged({.from = golden_model(),
                 .high = golden_model() / "high_noise_model/../low_noise_model/.",
                 .low = golden_model() / "google/umt5-xxl/../../low_noise_model/"});
}

TEST_F(StagedModel, IsRefusedWithBothNumbersWhereItDoesNotFit) {
  const Path huge = folder_.path() / "vae.pth";
  std::ofstream(huge).close();
  std::filesystem::resize_file(huge, std::uint64_t{8} << 40);  // it has no blocks on the disk
  model_.vae = huge;
  count_copies();
  const std::string message = made::error_of(Error::environment, [&] { staged(model_, id_, folder_.path()); });
  for (const char* part : {"left", "8796.1 GB", "--stage-weights"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
  EXPECT_EQ(copies_, 0);
}

}  // namespace
}  // namespace wf
