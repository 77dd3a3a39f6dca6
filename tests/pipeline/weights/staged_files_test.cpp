// tests/pipeline/weights/staged_files_test.cpp: a model's files on a node's own disk are the same model, are copied
// once for all who ask, and never half.
#include "pipeline/weights/staged_files.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <mutex>
#include <thread>

#include "base/text.hpp"
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
  /// Counts the files that are copied from now on.
  void count_copies() {
    inject_file_faults([this](FileStep step, const Path&) {
      const std::scoped_lock lock(mutex_);
      copies_ += step == FileStep::open;
      return 0;
    });
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
