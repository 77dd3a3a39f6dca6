// tests/pipeline/experts/model_parts_test.cpp: predictions of memory: what each placement keeps on the device, and what
// each stage adds. No weights are loaded and no GPU is needed.
#include "pipeline/experts/model_parts.hpp"

#include "parallel/device_graph.hpp"
#include "pipeline/model/dit.hpp"
#include "tests/golden.hpp"

namespace wf {
namespace {

const ModelParts& parts() {
  static const ModelParts read = read_model({golden_model()}, Precision::reference);
  return read;
}

Execution on_one_gpu() {
  Execution execution;
  execution.device = execution.text_device = at::Device(at::kCUDA, 0);
  execution.cuda_graphs = CudaGraphs::off;
  return execution;
}

Job job_of_size(int width, int height, int frames) {
  Job job;
  job.width = width, job.height = height, job.frames = frames;
  return job;
}

const Job small = job_of_size(832, 480, 17);

std::uint64_t needed(const Execution& execution, Stage stage, const Job& job = small) {
  return bytes_needed(parts(), execution, stage, job);
}

std::uint64_t text_encoder_bytes() { return umt5_bytes_needed(parts().text_encoder, 0); }

TEST(BytesNeeded, ExchangingExpertsSavesExactlyOneExpert) {
  const Execution resident = on_one_gpu();
  Execution exchanging = resident;
  exchanging.residency = Residency::exchanged;
  const std::uint64_t expert = dit_weight_bytes(parts().expert, parts().text_dim, Precision::reference);
  for (const Stage stage : {Stage::text, Stage::high, Stage::low, Stage::decode})
    EXPECT_EQ(needed(resident, stage) - needed(exchanging, stage), expert) << to_string(stage);
}

TEST(BytesNeeded, AStreamedBlockSavesItsBytesBesideTheTwoPlacesThatBlocksTravelTo) {
  Execution exchanging = on_one_gpu();
  exchanging.residency = Residency::exchanged;
  Execution streaming = exchanging;
  const std::uint64_t place = dit_streamed_bytes(parts().expert, Precision::reference, WeightForm::as_computed);
  const auto saved = [&](int blocks, Stage stage) {
    streaming.streamed_blocks = blocks;
    return needed(exchanging, stage) + 2 * place - needed(streaming, stage);
  };
  for (const Stage stage : {Stage::high, Stage::low, Stage::decode}) {
    EXPECT_GT(saved(1, stage), place) << "keys and values of the text do not travel, and wait as well";
    EXPECT_EQ(saved(2, stage), 2 * saved(1, stage)) << to_string(stage);
  }
}

TEST(BytesNeeded, OurConvolutionsOnHopperCountWhereverThePlanIsMade) {
  Execution ampere = on_one_gpu(), hopper = ampere;
  ampere.capability = 80, hopper.capability = 90;
  const Job large = job_of_size(1280, 720, 17);
  EXPECT_LT(needed(hopper, Stage::decode, large), needed(ampere, Stage::decode, large));
  EXPECT_EQ(needed(on_one_gpu(), Stage::decode, large), needed(ampere, Stage::decode, large)) << "it is not known";
}

TEST(BytesNeeded, OffloadingTheExpertSavesItsBytesWhileDecodingOnly) {
  for (const Residency residency : {Residency::both, Residency::exchanged, Residency::one}) {
    Execution keeping = on_one_gpu();
    keeping.residency = residency;
    Execution offloading = keeping;
    offloading.offload_expert_for_decode = true;
    const std::uint64_t expert = dit_weight_bytes(parts().expert, parts().text_dim, Precision::reference);
    EXPECT_EQ(needed(keeping, Stage::decode) - needed(offloading, Stage::decode),
              residency == Residency::both ? 0 : expert);
    EXPECT_EQ(needed(keeping, Stage::low), needed(offloading, Stage::low));
  }
}

TEST(BytesNeeded, DroppingTheTextEncoderSavesItsWeightsAfterwards) {
  const Execution keeping = on_one_gpu();
  Execution dropping = keeping;
  dropping.keep_text_encoder = false;
  for (const Stage stage : {Stage::high, Stage::low, Stage::decode})
    EXPECT_EQ(needed(keeping, stage) - needed(dropping, stage), text_encoder_bytes()) << to_string(stage);
  EXPECT_EQ(needed(dropping, Stage::text), umt5_bytes_needed(parts().text_encoder, parts().text_len))
      << "the experts are not on the device then";
}

TEST(BytesNeeded, ATextEncoderOnTheCpuTakesNoMemoryOfTheGpu) {
  Execution elsewhere = on_one_gpu();
  elsewhere.text_device = at::kCPU;
  EXPECT_EQ(needed(elsewhere, Stage::text), 0u);
  EXPECT_EQ(needed(on_one_gpu(), Stage::low) - needed(elsewhere, Stage::low), text_encoder_bytes());
}

TEST(BytesNeeded, GrowWithTheClip) {
  const Execution execution = on_one_gpu();
  const Job wider = job_of_size(1280, 480, 17), higher = job_of_size(832, 720, 17), longer = job_of_size(832, 480, 81);
  for (const Stage stage : {Stage::high, Stage::low, Stage::decode})
    for (const Job& job : {wider, higher}) EXPECT_GT(needed(execution, stage, job), needed(execution, stage));
  EXPECT_GT(needed(execution, Stage::high, longer), needed(execution, Stage::high));
  EXPECT_EQ(needed(execution, Stage::decode, longer), needed(execution, Stage::decode))
      << "frames are decoded a few at a time";
  EXPECT_EQ(needed(execution, Stage::text, longer), needed(execution, Stage::text));
}

TEST(BytesNeeded, ABatchOfTwoTakesMoreThanTwoForwards) {
  const Execution two = on_one_gpu();
  Execution batched = two;
  batched.guidance = GuidanceMode::batched;
  EXPECT_GT(needed(batched, Stage::high), needed(two, Stage::high));
  EXPECT_EQ(needed(batched, Stage::decode), needed(two, Stage::decode));
}

TEST(BytesNeeded, AnExpertThatIsNotGuidedIsNotBatched) {
  const Execution two = on_one_gpu();
  Execution batched = two;
  batched.guidance = GuidanceMode::batched;
  Job job = small;
  job.guidance = {4.0, {}};
  EXPECT_GT(needed(batched, Stage::high, job), needed(two, Stage::high, job));
  EXPECT_EQ(needed(batched, Stage::low, job), needed(two, Stage::low, job));
}

TEST(BytesNeeded, IncludeTheResidualsOfSavedForwards) {
  const Execution execution = on_one_gpu();
  const auto residual = static_cast<std::uint64_t>(token_count(small) * parts().expert.dim * 4);  // in f32
  const auto more = [&](Stage stage, const SavedForwards& saved, const Guidance& guidance = {}) {
    Job job = small;
    job.guidance = guidance;
    const std::uint64_t none = needed(execution, stage, job);
    job.saved = saved;
    return needed(execution, stage, job) - none;
  };
  for (const Stage stage : {Stage::high, Stage::low}) {
    EXPECT_EQ(more(stage, {.conditional = {5}, .unconditional = {5}}), 2 * residual) << to_string(stage);
    EXPECT_EQ(more(stage, {.conditional = {5}}), residual) << to_string(stage);
    EXPECT_EQ(more(stage, {.unguided = {5}}), 0u) << to_string(stage);
  }
  EXPECT_EQ(more(Stage::low, {.conditional = {5}, .unconditional = {5}}, {4.0, {}}), residual) << "is not guided";
  for (const Stage stage : {Stage::text, Stage::decode}) EXPECT_EQ(more(stage, {.conditional = {5}}), 0u);
}

TEST(BytesNeeded, AClipWithSavedForwardsIsNotBatched) {
  Execution batched = on_one_gpu();
  batched.guidance = GuidanceMode::batched;
  for (const SavedForwards& saved :
       {SavedForwards{.conditional = {5}}, SavedForwards{.unconditional = {5}}, SavedForwards{.unguided = {5}}}) {
    Job job = small;
    EXPECT_EQ(batch_of(batched, Stage::high, job), 2);
    job.saved = saved;
    EXPECT_EQ(batch_of(batched, Stage::high, job), 1);
    EXPECT_EQ(needed(batched, Stage::high, job), needed(on_one_gpu(), Stage::high, job));
  }
}

TEST(BytesNeeded, IncludeWhatIsRecorded) {
  Execution recording = on_one_gpu();
  recording.cuda_graphs = CudaGraphs::on;
  const Job job;
  const std::uint64_t more = needed(recording, Stage::high, job) - needed(on_one_gpu(), Stage::high, job);
  EXPECT_EQ(more, graph_bytes(parts(), recording, Stage::high, job));
  const std::int64_t tokens = token_count(job);  // a build without CUDA records nothing
  EXPECT_EQ(more, can_record(recording.device) ? recording_bytes(parts().expert, tokens, tokens, 2) : 0);
}

TEST(BytesNeeded, AreFewerInBf16) {
  const ModelParts exact = read_model({golden_model()}, Precision::exact);
  Execution execution = on_one_gpu();
  execution.precision = Precision::exact;
  EXPECT_LT(bytes_needed(exact, execution, Stage::high, small), needed(on_one_gpu(), Stage::high));
}

TEST(PeakBytesNeeded, IsTheLargestStage) {
  for (const bool keep : {true, false}) {
    Execution execution = on_one_gpu();
    execution.keep_text_encoder = keep;
    std::uint64_t most = 0;
    for (const Stage stage : all_stages) most = std::max(most, needed(execution, stage));
    EXPECT_EQ(peak_bytes_needed(parts(), execution, small), most);
  }
  EXPECT_EQ(needed(on_one_gpu(), Stage::write), 0u);
}

}  // namespace
}  // namespace wf
