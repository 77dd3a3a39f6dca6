// tests/launcher/planner/advice_test.cpp: what is advised where no placement fits.
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "launcher/cli/commands/planned_ranks.hpp"
#include "launcher/options/unused_gpus.hpp"
#include "tests/launcher/planner/plan_requests.hpp"

namespace wf {
namespace {

/// The memory that the nearest placement needs in GiB; 0 where one fits.
double needed(const PlanRequest& request) {
  try {
    return make_plan(request).winner().fits() ? 0 : -1;
  } catch (const Error& error) {
    const std::string text = error.what(), before = ", needs ";
    return std::stod(text.substr(text.find(before) + before.size()));
  }
}

/// What a flag of the advice does to a request, and the words that advise it.
struct Advised {
  std::string words;
  std::function<void(PlanRequest&)> change;
};

std::vector<Advised> all_advised() {
  return {{"--weights fp8", [](PlanRequest& request) { request.model.weights = WeightForm::fp8; }},
          {"--precision fp8-linear", [](PlanRequest& request) { request.model.precision = Precision::fp8_linear; }},
          {"--text-device cpu", [](PlanRequest& request) { request.choices.text_on_cpu = true; }},
          {"--vae-precision bf16", [](PlanRequest& request) { request.execution.vae = at::kBFloat16; }},
          {"without --no-split-decode", [](PlanRequest& request) { request.choices.split_decode = true; }},
          {"degrees that cut",
           [](PlanRequest& request) { request.choices.guidance = request.choices.ulysses = request.choices.ring = 0; }},
          {"a smaller --size", [](PlanRequest& request) {
             for (Job& job : request.jobs) job.width /= 2, job.height /= 2;
           }}};
}

TEST(Advice, AlwaysFitsOrLacksLess) {
  std::set<std::string> seen;
  for (const std::uint64_t memory : {4, 8, 12, 16, 30}) {
    for (const int gpus : {1, 8}) {
      for (const PlacementChoices& choices :
           {PlacementChoices{},
            {.mode = PlacementMode::resident, .split_decode = false},
            {.mode = PlacementMode::resident, .guidance = 1, .ulysses = 1, .ring = 1, .split_decode = false},
            {.mode = PlacementMode::swap, .guidance = 1, .ulysses = 1, .ring = 1, .text_on_cpu = false}}) {
        PlanRequest request = request_for(1, gpus, memory * gib, 4);
        request.choices = choices;
        if (needed(request) == 0) continue;
        const std::string text = refusal(request, Error::environment);
        for (const auto& [words, change] : all_advised()) {
          if (text.find(words) == std::string::npos) continue;
          PlanRequest changed = request;
          change(changed);
          EXPECT_LT(needed(changed), needed(request)) << words << ": " << text;
          seen.insert(words);
        }
      }
    }
  }
  EXPECT_GE(seen.size(), 5u) << "most of the advice was tried";
}

TEST(Advice, OfAClipThatCannotBeDecodedIsAboutDecoding) {
  const std::string text = refusal(request_for(1, 1, 12 * gib, 4), Error::environment);
  EXPECT_NE(text.find("(--gpu-memory 19), --vae-precision bf16, or a smaller --size"), std::string::npos) << text;
}

/// What --gpu-memory leaves, for plan and submit as for a run.
TEST(PlannedRanks, HaveNoMoreMemoryThanTheirGpu) {
  EXPECT_EQ(limited_memory("h100", 79 * gib, 40 * gib), 40 * gib);
  EXPECT_EQ(limited_memory("h100", 79 * gib, 140 * gib), 79 * gib);
  EXPECT_EQ(limited_memory("NVIDIA H100", 79 * gib, 0), 79 * gib);
  EXPECT_EQ(limited_memory("generic", 23 * gib, 48 * gib), 48 * gib) << "any GPU, described by the flag";
}

TEST(PlannedRanks, OfANamedKindHaveItsMemoryWhateverThisNodeHas) {
  const ClusterResources own = found_ranks({}, 8, "NVIDIA H200", 140 * gib);
  EXPECT_EQ(own.device_name, "NVIDIA H200");
  EXPECT_EQ(own.memory_bytes, 140 * gib);
  const ClusterResources named = found_ranks({.gpu = "l40s"}, 8, "NVIDIA H200", 140 * gib);
  EXPECT_EQ(named.on_node, std::vector<int>{8});
  EXPECT_EQ(named.device_name, "l40s");
  EXPECT_EQ(named.memory_bytes, gpu_figures("l40s").memory_bytes);
}

TEST(UnusedGpus, AreNamedWithWhatToDo) {
  EXPECT_EQ(unused_gpus_text({}, false), "");
  const std::string text = unused_gpus_text({"NVIDIA H200", "NVIDIA H200"}, false);
  EXPECT_NE(text.find("the driver lists NVIDIA H200, NVIDIA H200: this build has no CUDA"), std::string::npos) << text;
  EXPECT_NE(text.find("./wanfarm --cuda --version"), std::string::npos) << text;
  EXPECT_NE(unused_gpus_text({"NVIDIA H200"}, true).find("wanfarm doctor"), std::string::npos);
}

}  // namespace
}  // namespace wf
