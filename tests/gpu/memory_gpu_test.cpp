// tests/gpu/memory_gpu_test.cpp: the memory that stages use is what the planner predicts, within a tenth.
#include <c10/core/InferenceMode.h>

#include "base/text.hpp"
#include "parallel/device.hpp"
#include "tests/gpu/random_clip.hpp"

namespace wf {
namespace {

constexpr ModelSize middle{.dim = 2048,
                           .ffn = 5632,
                           .heads = 16,
                           .layers = 4,
                           .text_dim = 1024,
                           .text_ffn = 2560,
                           .text_heads = 16,
                           .text_layers = 2,
                           .vae_dim = 96};

const Path& middle_model() {
  static const DescribedModel model(middle);
  static const Path path = model.path();
  return path;
}

void expect_within_a_tenth(const std::string& what, std::uint64_t measured, std::uint64_t predicted) {
  const double ratio = static_cast<double>(measured) / static_cast<double>(predicted);
  std::printf("  %-24s measured %10s, predicted %10s: %.3f\n", what.c_str(), gibibytes(measured).c_str(),
              gibibytes(predicted).c_str(), ratio);
  EXPECT_GE(ratio, 0.9) << what;
  EXPECT_LE(ratio, 1.1) << what;
}

Execution all_on_gpu(Precision precision, bool tf32) {
  Execution execution;
  execution.device = execution.text_device = test::device();
  execution.capability = compute_capability(execution.device);
  execution.precision = precision;
  execution.tf32 = tf32;
  return execution;
}

/// The memory that libraries allocate at their first use and keep. Plans reserve it separately.
std::uint64_t used_by_libraries(const Execution& execution) {
  const test::TempFolder folder;
  {
    Models models(ModelSource{golden_model()}, execution);
    Clip clip = short_clip(folder, 64, 64, 5);
    render(clip, models);
  }
  return device_memory(test::device()).used;
}

struct Kind {
  const char* name;
  Precision precision;
  bool tf32;
};

class StageMemory : public testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(Kinds, StageMemory,
                         testing::Values(Kind{"exact", Precision::exact, false},
                                         Kind{"exact_tf32", Precision::exact, true},
                                         Kind{"reference", Precision::reference, false}),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(StageMemory, IsAsPredicted) {
  const Execution execution = all_on_gpu(GetParam().precision, GetParam().tf32);
  const std::uint64_t libraries = used_by_libraries(execution);
  Models models(ModelSource{middle_model()}, execution);
  // Loads all weights that this placement keeps, so that every stage finds them in memory.
  models.text_encoder(), models.expert(Expert::high), models.expert(Expert::low), models.vae();
  const test::TempFolder folder;
  Clip clip = short_clip(folder, 832, 480, 33);  // 14,040 tokens
  for (const Stage stage : {Stage::text, Stage::high, Stage::low, Stage::decode}) {
    advance(clip, stage, models);
    const std::string name(to_string(stage));
    expect_within_a_tenth(name, clip.device_bytes.at(name) - libraries,
                          bytes_needed(models.parts(), execution, stage, clip.job));
  }
}

TEST(TextEncoderMemory, IsAsPredicted) {
  const c10::InferenceMode guard;
  for (const Precision precision : {Precision::reference, Precision::exact}) {
    const std::uint64_t libraries = used_by_libraries(all_on_gpu(precision, false));
    const ModelParts parts = read_model({middle_model()}, precision);
    const Umt5Weights weights = load_umt5({Network::text_encoder, parts.files.text_encoder}, precision, test::device());
    for (const std::int64_t tokens : {64, 512}) {
      reset_peak_memory(test::device());
      umt5_encode(weights, std::vector<std::int64_t>(static_cast<std::size_t>(tokens), 7));
      expect_within_a_tenth(std::to_string(tokens) + " tokens", device_memory(test::device()).peak - libraries,
                            umt5_bytes_needed(weights, tokens));
    }
  }
}

/// Decoding alone, so that the weights of other stages do not hide the memory of its layers.
TEST(DecodeMemory, IsAsPredicted) {
  const c10::InferenceMode guard;
  for (const bool tf32 : {false, true}) {
    const Execution execution = all_on_gpu(Precision::reference, tf32);
    const std::uint64_t libraries = used_by_libraries(execution);
    const ModelParts parts = read_model({middle_model()}, Precision::reference);
    const VaeWeights weights = load_vae({Network::vae, parts.files.vae}, at::kFloat, test::device(), tf32);
    const at::Tensor latents = at::randn({16, 3, 480 / 8, 832 / 8}, at::device(test::device()));
    reset_peak_memory(test::device());
    vae_decode(weights, latents, [](const at::Tensor&) {});
    expect_within_a_tenth(tf32 ? "decode, TF32" : "decode", device_memory(test::device()).peak - libraries,
                          decode_bytes_needed(parts, execution, 480, 832));
  }
}

}  // namespace
}  // namespace wf
