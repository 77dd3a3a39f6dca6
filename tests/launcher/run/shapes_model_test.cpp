// tests/launcher/run/shapes_model_test.cpp: the checkpoint that comes with wanfarm: the example list as a user renders
// it, and what its VAE keeps of a clip.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "models/shapes/world/draw.hpp"
#include "pipeline/model/vae.hpp"
#include "pipeline/weights/checkpoint.hpp"
#include "pipeline/weights/model_files.hpp"
#include "tests/launcher/program.hpp"
#include "tests/launcher/run/single_files.hpp"
#include "tests/shapes_check/report.hpp"

namespace wf::shapes {
namespace {

const Path repository = WF_REPOSITORY;

// Renders the example list in a folder that sees the checkpoint as a clone does; what its clips show, by name.
std::map<std::string, Verdict> seen_in_examples(const std::vector<std::string>& flags) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "models");
  std::filesystem::create_symlink(repository / "models/shapes", folder / "models/shapes");
  std::vector<std::string> words{"render", repository / "examples/prompts.yaml", "--device", "cpu", "--threads", "2"};
  words.insert(words.end(), flags.begin(), flags.end());
  const ProgramResult outcome = run(folder.path(), words);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  std::map<std::string, Verdict> seen;
  for (const Path& clip : clips_in(folder / "renders")) seen[clip.stem()] = look(read_clip(clip));
  return seen;
}

void expect_all_right(const std::map<std::string, Verdict>& seen) {
  const auto expected = read_expected(repository / "tests/shapes_check/examples.jsonl");
  EXPECT_EQ(expected.size(), 6u);
  EXPECT_EQ(seen.size(), expected.size());
  for (const auto& [name, asked] : expected) {
    ASSERT_TRUE(seen.contains(name)) << name;
    EXPECT_TRUE(compare(seen.at(name), asked).all())
        << name << "\n  expected " << to_json(asked) << "\n  seen     " << to_json(seen.at(name));
  }
}

TEST(ShapesModel, TheExamplesShowWhatTheyAskForInF32) { expect_all_right(seen_in_examples({})); }

TEST(ShapesModel, TheExamplesShowWhatTheyAskForInBf16) { expect_all_right(seen_in_examples({"--precision", "exact"})); }

TEST(ShapesModel, TheExamplesShowWhatTheyAskForFrom8BitNumbers) {
  expect_all_right(seen_in_examples({"--precision", "fp8"}));
}

std::vector<std::string> flags_of(const ModelSource& source) {
  return {"--model",  source.from,    "--high-model", source.high,   "--low-model",
          source.low, "--text-model", source.text,    "--vae-model", source.vae};
}

TEST(ShapesModel, AsSingleFilesTheExamplesShowWhatTheyAskFor) {
  for (const auto form : {test::SingleForm::fp16, test::SingleForm::fp8_scaled}) {
    const TempFolder folder;
    const ModelSource source = test::write_single_files(repository / "models/shapes", folder / "files", form);
    expect_all_right(seen_in_examples(flags_of(source)));
  }
}

TEST(ShapesModel, AsADiffusersFolderTheExamplesShowWhatTheyAskFor) {
  const TempFolder folder;
  const ProgramResult converted =
      run(folder.path(), {"convert", repository / "models/shapes", "diffusers", "--layout", "diffusers"});
  ASSERT_EQ(converted.code, 0) << converted.err;
  expect_all_right(seen_in_examples({"--model", folder / "diffusers"}));
}

/// The VAE, and clips of other scenes than training saw.
class ShapesVae : public testing::Test {
 protected:
  VaeWeights decoder(at::ScalarType dtype = at::kFloat) const { return load_vae(files_, dtype, at::kCPU); }
  at::Tensor encoded(const at::Tensor& video) const { return vae_encode(encoder_, video); }
  static at::Tensor decoded(const VaeWeights& decoder, const at::Tensor& latents) {
    std::vector<at::Tensor> frames;
    vae_decode(decoder, latents, [&](const at::Tensor& chunk) { frames.push_back(chunk); });
    return at::cat(frames, 1).clamp(-1, 1);
  }
  /// The mean over `clips` clips of how near two videos are that are made of one.
  static double mean_psnr(int clips, const std::function<double(const at::Tensor& video)>& psnr_of) {
    double sum = 0;
    int seen = 0;
    for (std::uint64_t seed = 0; seen < clips; ++seed) {
      const Scene scene = random_scene(seed);
      if (is_held_out(scene)) sum += psnr_of(draw(std::span(&scene, 1), {}, at::kCPU)[0]), ++seen;
    }
    std::cout << "mean over " << clips << " clips: " << sum / clips << " dB\n";
    return sum / clips;
  }
  static double psnr(const at::Tensor& video, const at::Tensor& wanted) {
    return 10 * std::log10(4 / (video - wanted).square().mean().item<double>());
  }

  const c10::InferenceMode guard_;
  const NetworkWeights files_{Network::vae, find_model({repository / "models/shapes"}).vae};
  const VaeEncoderWeights encoder_ = load_vae_encoder(files_, at::kFloat, at::kCPU);
};

TEST_F(ShapesVae, KeepsClipsTo30Decibels) {
  const VaeWeights exact = decoder();
  EXPECT_GE(mean_psnr(24, [&](const at::Tensor& video) { return psnr(decoded(exact, encoded(video)), video); }), 30);
}

TEST_F(ShapesVae, DecodesInBf16WhatItDecodesInF32To50Decibels) {
  const VaeWeights exact = decoder(), bf16 = decoder(at::kBFloat16);
  const auto apart = [&](const at::Tensor& video) {
    const at::Tensor latents = encoded(video);
    return psnr(decoded(bf16, latents), decoded(exact, latents));
  };
  EXPECT_GE(mean_psnr(4, apart), 50);
}

}  // namespace
}  // namespace wf::shapes
