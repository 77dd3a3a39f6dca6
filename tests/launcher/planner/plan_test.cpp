// tests/launcher/planner/plan_test.cpp: plans of a run: where experts and texts are placed, and which flags are
// refused.
#include <gtest/gtest.h>

#include <functional>

#include "base/error.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/planner/run_plan.hpp"
#include "launcher/random_model/random_model.hpp"
#include "tests/launcher/program.hpp"
#include "tests/launcher/run/published_model.hpp"

namespace wf {
namespace {

const ModelParts& tiny_model() {
  static const ModelParts parts = read_model({golden_model_folder()}, Precision::reference);
  return parts;
}

constexpr std::uint64_t gib = 1ull << 30;

Job job_720p() {
  Job job;
  job.width = 1280, job.height = 720;
  return job;
}

Execution on_a_gpu() {
  Execution execution;
  execution.precision = Precision::exact;
  execution.device = execution.text_device = at::Device(at::kCUDA, 0);
  return execution;
}

ClusterResources one_gpu(std::uint64_t memory) { return {{1}, "NVIDIA H200", memory, 2000 * gib}; }

/// The execution that is planned for a list of 720p clips on one GPU with this much memory.
Execution planned(std::uint64_t memory, const PlanningOptions& options = {}, std::size_t clips = 1) {
  const ClusterResources ranks = one_gpu(memory);
  const std::vector<Job> jobs(clips, job_720p());
  const PlanResult result = plan_run(request_for(published_model(), jobs, on_a_gpu(), options, ranks), ranks);
  return execution_for(result.winner().plan, on_a_gpu());
}

/// The text of the Error of this kind that `action` throws; fails the test when there is none.
std::string refusal(const std::function<void()>& action, Error::Kind kind) {
  try {
    action();
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  return "";
}

TEST(Plan, AProcessAloneOnACpuHasBothExpertsAndItsTextEncoderResident) {
  const std::uint64_t one_byte = 1;
  const Execution planned = plan_alone(tiny_model(), {Job()}, Execution(), {}, one_byte);
  EXPECT_TRUE(planned.device.is_cpu());
  EXPECT_TRUE(planned.text_device.is_cpu());
  EXPECT_EQ(planned.residency, Residency::both);
  EXPECT_TRUE(planned.keep_text_encoder);
  EXPECT_FALSE(planned.offload_expert_for_decode);
}

TEST(Plan, OnACpuTooLittleMemoryIsNoReasonToRefuse) {
  const ClusterResources small{{1}, "cpu", gib, gib, 2};
  EXPECT_NO_THROW(plan_run(request_for(published_model(), {job_720p()}, Execution(), {}, small), small));
}

TEST(Plan, OnACpuExpertsAreExchangedWhenPlacementSwapIsForced) {
  PlanningOptions options;
  options.choices.mode = PlacementMode::swap;
  EXPECT_EQ(plan_alone(tiny_model(), {Job()}, Execution(), options, 0).residency, Residency::exchanged);
}

TEST(Plan, ATextEncoderOnAGpuIsRefusedForARunOnTheCpu) {
  PlanningOptions options;
  options.choices.text_on_cpu = false;
  const std::string text = refusal([&] { plan_alone(tiny_model(), {Job()}, Execution(), options, 0); }, Error::input);
  EXPECT_NE(text.find("--text-device cuda"), std::string::npos) << text;
  EXPECT_NE(text.find("--device"), std::string::npos) << text;
}

TEST(Plan, WithLessMemoryTheTextEncoderIsUnloadedThenExpertsAreExchangedThenOffloadedForDecoding) {
  const Execution roomy = planned(139 * gib);
  EXPECT_EQ(roomy.residency, Residency::both);
  EXPECT_TRUE(roomy.keep_text_encoder);
  EXPECT_TRUE(roomy.text_device.is_cuda());
  const Execution close = planned(75 * gib);
  EXPECT_EQ(close.residency, Residency::both);
  EXPECT_FALSE(close.keep_text_encoder);
  EXPECT_TRUE(close.text_device.is_cuda());
  const Execution half = planned(48 * gib);
  EXPECT_EQ(half.residency, Residency::exchanged);
  EXPECT_FALSE(half.offload_expert_for_decode);
  const Execution tight = planned(40 * gib);
  EXPECT_EQ(tight.residency, Residency::exchanged);
  EXPECT_TRUE(tight.offload_expert_for_decode);
  const Execution small = planned(24 * gib);
  EXPECT_EQ(small.residency, Residency::exchanged);
  EXPECT_GT(small.streamed_blocks, 0);
  EXPECT_EQ(tight.streamed_blocks, 0) << "an expert fits";
  EXPECT_EQ(planned(139 * gib, {}, 40).residency, Residency::both) << "for any number of clips";
  EXPECT_EQ(planned(48 * gib, {}, 40).residency, Residency::exchanged);
}

TEST(Plan, PlannedExecutionsFitByTheMemorySumsOfTheStages) {
  for (const std::uint64_t memory : {139 * gib, 75 * gib, 48 * gib, 40 * gib, 30 * gib, 24 * gib, 20 * gib}) {
    const std::uint64_t peak = peak_bytes_needed(published_model(), planned(memory), job_720p());
    EXPECT_LE(peak + margin_bytes, memory);
  }
}

TEST(Plan, MemoryOfBatchedGuidanceIsPlannedFor) {
  Execution batched = on_a_gpu();
  batched.guidance = GuidanceMode::batched;
  const ClusterResources ranks = one_gpu(139 * gib);
  const PlanResult result = plan_run(request_for(published_model(), {job_720p()}, batched, {}, ranks), ranks);
  const Execution execution = execution_for(result.winner().plan, batched);
  EXPECT_EQ(result.winner().fullest().total(),
            peak_bytes_needed(published_model(), execution, job_720p()) + margin_bytes);
}

TEST(Plan, ADegreeOfGuidanceThatNoClipCanUseIsRefusedWithoutAskingForMoreRanks) {
  PlanningOptions options;
  options.choices.guidance = 2;
  Job job;
  job.guidance = {{}, {}};
  const std::string text = refusal([&] { plan_alone(tiny_model(), {job}, Execution(), options, 0); }, Error::input);
  EXPECT_NE(text.find("no clip of the list is guided"), std::string::npos) << text;
}

TEST(Plan, AsManyBlocksAsFitStayOnTheGpu) {
  int last = 0;
  for (const std::uint64_t memory : {36 * gib, 30 * gib, 24 * gib}) {
    PlanningOptions options;
    options.choices.mode = PlacementMode::stream;
    const Execution execution = planned(memory, options);
    EXPECT_GT(execution.streamed_blocks, last) << memory / gib << " GiB";
    Execution one_more = execution;
    --one_more.streamed_blocks;
    ASSERT_GT(one_more.streamed_blocks, 0);
    EXPECT_GT(peak_bytes_needed(published_model(), one_more, job_720p()) + margin_bytes, memory) << memory / gib;
    last = execution.streamed_blocks;
  }
}

TEST(Plan, ObeysTheFlags) {
  PlanningOptions options;
  options.choices.mode = PlacementMode::swap, options.choices.text_on_cpu = true;
  const Execution swap = planned(139 * gib, options);
  EXPECT_EQ(swap.residency, Residency::exchanged);
  EXPECT_TRUE(swap.text_device.is_cpu());
  EXPECT_TRUE(swap.keep_text_encoder) << "on the host it takes no GPU memory";
}

TEST(Plan, WhenNothingFitsTheErrorNamesTheShortage) {
  const std::string text = refusal([] { planned(8 * gib); }, Error::environment);
  for (const char* part : {"8.0 GiB", "more than there is", "what would fit"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(Plan, DegreesThatNeedMoreRanksThanThereAreAreRefused) {
  PlanningOptions options;
  options.choices.ulysses = 2;
  const auto plan = [&] { plan_alone(tiny_model(), {Job()}, Execution(), options, 0); };
  const std::string text = refusal(plan, Error::input);
  EXPECT_NE(text.find("--ulysses 2"), std::string::npos) << text;
  EXPECT_NE(text.find("--ranks 2"), std::string::npos) << text;
  options.choices = {.mode = PlacementMode::pipeline};
  EXPECT_NE(refusal(plan, Error::input).find("--ranks 2"), std::string::npos);
}

TEST(ExecutionFor, ARankOfAPipelineHoldsOneExpert) {
  PlacementPlan plan;
  plan.mode = PlacementMode::pipeline, plan.text = TextPlace::cpu, plan.offload_expert_for_decode = true;
  const Execution execution = execution_for(plan, on_a_gpu());
  EXPECT_EQ(execution.residency, Residency::one);
  EXPECT_TRUE(execution.text_device.is_cpu());
  EXPECT_TRUE(execution.offload_expert_for_decode);
}

TEST(ClusterResources, AreTheLeastOfResourcesThatDiffer) {
  const RankResources large{"a", "NVIDIA H200", "", 139 * gib, 1000 * gib, 600 * gib, 8},
      small{"b", "NVIDIA L40S", "", 44 * gib, 500 * gib, 400 * gib, 4};
  const ClusterResources ranks = cluster_resources({large, large, large, small});
  EXPECT_EQ(ranks.on_node, (std::vector<int>{3, 1}));
  EXPECT_EQ(ranks.device_name, "NVIDIA L40S");
  EXPECT_EQ(ranks.memory_bytes, 44 * gib);
  EXPECT_EQ(ranks.host_bytes, 500 * gib);
  EXPECT_EQ(ranks.host_free, 400 * gib);
  EXPECT_EQ(ranks.threads, 4);
}

TEST(ClusterResources, CpuRanksShareTheMemoryOfTheirNodeAndAreNotMixedWithGpuRanks) {
  const RankResources cpu{"a", "cpu", "", 0, 64 * gib, 32 * gib, 2};
  EXPECT_EQ(cluster_resources({cpu, cpu, cpu, cpu}).memory_bytes, 16 * gib);
  const RankResources gpu{"b", "NVIDIA H200", "", 139 * gib, 64 * gib, 32 * gib, 2};
  EXPECT_NE(refusal(
                [&] {
                  cluster_resources({cpu, gpu});
                },
                Error::environment)
                .find("--device cpu"),
            std::string::npos);
}

TEST(ClusterResources, TwoRanksWithOneGpuAreRefused) {
  const RankResources first{"a", "NVIDIA H200", "0000:1a:00.0", 139 * gib, 64 * gib, 32 * gib, 2};
  RankResources elsewhere = first, another = first;
  elsewhere.host = "b", another.gpu = "0000:1b:00.0";
  EXPECT_EQ(cluster_resources({first, elsewhere, another}).on_node, (std::vector<int>{2, 1}));
  const std::string why = refusal([&] { cluster_resources({first, elsewhere, first}); }, Error::environment);
  EXPECT_NE(why.find("ranks 0 and 2 on a have the same GPU, NVIDIA H200 at 0000:1a:00.0"), std::string::npos) << why;
}

TEST(WithoutOthers, FreeMemoryIsPlannedWithAndNotTheTotal) {
  EXPECT_EQ(without_others(139 * gib, 140 * gib, 140 * gib - gib / 2), 139 * gib) << "only this process's context";
  EXPECT_EQ(without_others(139 * gib, 140 * gib, 40 * gib), 41 * gib) << "others hold 99 GiB";
  EXPECT_EQ(without_others(30 * gib, 140 * gib, 40 * gib), 30 * gib) << "--gpu-memory 30GiB";
}

TEST(ChosenExecution, OnACpuIsF32WithItsOwnNoise) {
  RunOptions options;
  options.device = DeviceChoice::cpu;
  const Execution execution = chosen_execution(options);
  EXPECT_EQ(execution.precision, Precision::reference);
  EXPECT_EQ(execution.noise, NoiseSource::cpu);
  EXPECT_EQ(execution.backend, AttentionBackend::automatic);
  EXPECT_FALSE(execution.tf32);
}

TEST(ChosenExecution, TakesTheValueOfEveryFlag) {
  RunOptions options;
  options.device = DeviceChoice::cpu, options.precision = Precision::exact, options.noise = NoiseSource::device;
  options.weights = WeightForm::fp8, options.guidance_mode = GuidanceMode::batched,
  options.attention = AttentionBackend::cudnn, options.tf32 = true, options.vae_bf16 = true;
  const Execution execution = chosen_execution(options);
  EXPECT_EQ(execution.precision, Precision::exact);
  EXPECT_EQ(execution.guidance, GuidanceMode::batched);
  EXPECT_EQ(execution.noise, NoiseSource::device);
  EXPECT_EQ(execution.backend, AttentionBackend::cudnn);
  EXPECT_TRUE(execution.tf32);
  EXPECT_EQ(execution.vae, at::kBFloat16);
  EXPECT_EQ(execution.weights, WeightForm::fp8);
}

TEST(RecipeOf, RecordsOnlySettingsThatChangePixels) {
  Execution plain;
  EXPECT_EQ(recipe_of("id", plain, false), (Recipe{"id", "reference"}));
  plain.backend = AttentionBackend::math, plain.residency = Residency::exchanged, plain.keep_text_encoder = false;
  EXPECT_EQ(recipe_of("id", plain, false), (Recipe{"id", "reference"}));
  Execution asked;
  asked.precision = Precision::exact, asked.noise = NoiseSource::device, asked.tf32 = true;
  EXPECT_EQ(recipe_of("id", asked, false), (Recipe{"id", "exact", true, "cpu"}))
      << "on a CPU, noise of the device is noise of the CPU";
  asked = {}, asked.weights = WeightForm::fp8;
  EXPECT_EQ(recipe_of("id", asked, false), (Recipe{"id", "reference"}))
      << "a file that is in 8 bits gives the same clip";
  Execution rounded_vae = asked;
  rounded_vae.vae = at::kBFloat16;
  EXPECT_EQ(recipe_of("id", rounded_vae, false),
            (Recipe{.model_id = "id", .precision = "reference", .vae_bf16 = true}));
  EXPECT_EQ(recipe_of("id", asked, true), (Recipe{.model_id = "id", .precision = "reference", .weights = "fp8"}));
}

TEST(RecipeOf, RecordsWhatIsComputedFrom8BitNumbers) {
  Execution asked;
  asked.precision = Precision::exact, asked.fp8_exact_steps = 3;
  EXPECT_EQ(recipe_of("id", asked, false), (Recipe{"id", "exact"})) << "there are no such products";
  asked.backend = AttentionBackend::fa3_fp8;
  EXPECT_EQ(recipe_of("id", asked, false),
            (Recipe{.model_id = "id", .precision = "exact", .attention = "fp8", .fp8_exact_steps = 3}));
  asked.precision = Precision::fp8, asked.backend = AttentionBackend::automatic;
  EXPECT_EQ(recipe_of("id", asked, false), (Recipe{.model_id = "id", .precision = "fp8", .fp8_exact_steps = 3}));
  asked.precision = Precision::fp8_linear, asked.fp8_exact_steps.reset();
  EXPECT_EQ(recipe_of("id", asked, false), (Recipe{"id", "fp8-linear"}));
  asked.exact_blocks = parse_exact_blocks("high:1,0");
  EXPECT_EQ(recipe_of("id", asked, false).fp8_exact_blocks, "high:0,1");
}

TEST(ChosenExecution, RefusesExactBlocksWhereNothingIsComputedFrom8BitNumbers) {
  RunOptions options;
  options.device = DeviceChoice::cpu, options.exact_blocks = parse_exact_blocks("0,39");
  const std::string text = refusal([&] { chosen_execution(options); }, Error::input);
  EXPECT_TRUE(text.starts_with("--fp8-exact-blocks 0,39: with --precision reference ")) << text;
  for (const Precision precision : {Precision::fp8_ffn, Precision::fp8_linear, Precision::fp8}) {
    options.precision = precision;
    EXPECT_EQ(chosen_execution(options).exact_blocks, options.exact_blocks);
  }
  options.precision = Precision::exact, options.attention = AttentionBackend::fa3_fp8;
  EXPECT_EQ(chosen_execution(options).exact_blocks, options.exact_blocks) << "self-attention is in 8 bits";
}

TEST(ReadModel, RefusesExactBlocksThatTheExpertsDoNotHave) {
  const auto read = [](const std::string& blocks) {
    return read_model({golden_model_folder()}, Precision::fp8, WeightForm::as_computed, parse_exact_blocks(blocks));
  };
  EXPECT_EQ(read("0,1").exact_blocks, (ExactBlocks{{0, 1}, {0, 1}}));
  const std::string text = refusal([&] { read("low:1,2"); }, Error::input);
  EXPECT_EQ(text, "--fp8-exact-blocks low:1,2: an expert of this model has the blocks 0 to 1");
}

/// What a plan for a kind of GPU says of a run there; "" where it is possible.
std::string said_of_gpu(const std::string& kind, Precision precision,
                        AttentionBackend backend = AttentionBackend::automatic) {
  Execution asked = on_a_gpu();
  asked.precision = precision, asked.backend = backend;
  try {
    check_precision(asked, "GPU " + kind, gpu_figures(kind).capability);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::environment) << error.what();
    return error.what();
  }
}

TEST(PrecisionOfAGpuElsewhere, TakesItsComputeCapability) {
  const auto begins = [](const std::string& text, const std::string& with) { return text.starts_with(with); };
  const auto names = [](const std::string& text, const std::string& gpu) { return text.find(gpu) != text.npos; };
  for (const Precision precision : {Precision::fp8_ffn, Precision::fp8_linear, Precision::fp8}) {
    const std::string text = said_of_gpu("a100", precision);
    EXPECT_TRUE(begins(text, std::string("--precision ") + to_string(precision) + ": products of 8-bit numbers need"));
    EXPECT_TRUE(names(text, ", and GPU a100 has 8.0")) << text;
    for (const char* const kind : {"h200", "h100", "generic"}) EXPECT_EQ(said_of_gpu(kind, precision), "") << kind;
  }
  for (const char* const kind : {"l40s", "rtx4090"}) {
    EXPECT_EQ(said_of_gpu(kind, Precision::fp8_linear), "");
    const std::string text = said_of_gpu(kind, Precision::fp8);
    EXPECT_TRUE(
        begins(text, "--precision fp8: self-attention in 8 bits takes FlashAttention-3: it needs a Hopper GPU"));
    EXPECT_TRUE(names(text, std::string(", and GPU ") + kind + " has 8.9")) << text;
    EXPECT_EQ(said_of_gpu(kind, Precision::fp8, AttentionBackend::math), "");
  }
}

TEST(PrecisionOfAGpuElsewhere, HasFlashAttention3OnHopperAlone) {
  for (const AttentionBackend backend : {AttentionBackend::fa3, AttentionBackend::fa3_fp8}) {
    for (const char* const kind : {"h200", "h100", "generic"})
      EXPECT_EQ(said_of_gpu(kind, Precision::exact, backend), "") << kind;
    for (const char* const kind : {"a100", "l40s", "rtx4090"}) {
      const std::string text = said_of_gpu(kind, Precision::exact, backend);
      EXPECT_TRUE(text.starts_with(std::string("--attention ") + to_string(backend) + ": it needs a Hopper GPU"))
          << text;
    }
  }
  EXPECT_EQ(said_of_gpu("a100", Precision::exact), "");
}

TEST(AttentionIn8Bits, IsRoundedOnACpuAndRefusedWhereTheBackendCannot) {
  Execution asked;
  asked.precision = Precision::fp8;
  EXPECT_EQ(choose_attention(asked, 128).name, "math-fp8");
  EXPECT_EQ(choose_attention(exactly(asked), 128).name, "math");
  const auto refusal = [&](Precision precision, AttentionBackend backend) -> std::string {
    asked.precision = precision, asked.backend = backend;
    try {
      choose_attention(asked, 128);
      return "accepted";
    } catch (const Error& error) {
      return error.what();
    }
  };
  for (const AttentionBackend backend : {AttentionBackend::cudnn, AttentionBackend::fa3})
    EXPECT_NE(refusal(Precision::fp8, backend).find("give --precision fp8-linear"), std::string::npos);
  EXPECT_NE(refusal(Precision::exact, AttentionBackend::fa3_fp8).find("needs a Hopper GPU"), std::string::npos);
}

TEST(IsExactStep, IsTheFirstAndTheLastOfClipsOfTenStepsUnlessAskedOtherwise) {
  const auto exact_steps = [](const Execution& execution, std::int64_t steps) {
    std::vector<std::int64_t> exact;
    for (std::int64_t step = 0; step < steps; ++step)
      if (is_exact_step(execution, step, steps)) exact.push_back(step);
    return exact;
  };
  Execution asked;
  EXPECT_EQ(exact_steps(asked, 9), (std::vector<std::int64_t>{}));
  EXPECT_EQ(exact_steps(asked, 10), (std::vector<std::int64_t>{0, 9}));
  asked.fp8_exact_steps = 2;
  EXPECT_EQ(exact_steps(asked, 6), (std::vector<std::int64_t>{0, 1, 4, 5}));
  EXPECT_EQ(exact_steps(asked, 3), (std::vector<std::int64_t>{0, 1, 2}));
  asked.fp8_exact_steps = 0;
  EXPECT_EQ(exact_steps(asked, 40), (std::vector<std::int64_t>{}));
}

}  // namespace
}  // namespace wf
