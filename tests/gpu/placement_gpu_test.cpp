// tests/gpu/placement_gpu_test.cpp: where weights are kept changes no bit, and weights that leave the GPU free their
// memory.
#include <c10/core/InferenceMode.h>

#include "parallel/device.hpp"
#include "tests/pipeline/model/tiny_dit.hpp"
#include "tests/pipeline/stages/golden_clip.hpp"

namespace wf {
namespace {

std::uint64_t used() { return device_memory(test::device()).used; }

Experts tiny_experts(Residency residency) {
  return Experts(residency, test::device(), [](Expert which, NodeReader*, const WeightPeer*, const SettleBlock&) {
    return tiny_dit(which == Expert::high ? "high" : "low", Precision::reference);
  });
}

TEST(PlacementOnGpu, SwapGivesTheSameBitsAsResident) {
  const test::TempFolder resident_folder, swap_folder;
  Execution execution = golden_execution();
  Models resident(ModelSource{golden_model()}, execution);
  execution.residency = Residency::exchanged;
  Models swap(ModelSource{golden_model()}, execution);
  for (int clip = 0; clip < 2; ++clip) {  // the second one begins with an exchange
    Clip one = clip_in(resident_folder, job_of(golden_run("unipc")));
    Clip other = clip_in(swap_folder, one.job);
    render(one, resident);
    render(other, swap);
    EXPECT_EQ(other.latents_sha256, one.latents_sha256);
    EXPECT_EQ(other.frames_sha256, one.frames_sha256);
  }
  EXPECT_GT(swap.exchanged().bytes, 0u);
  EXPECT_EQ(resident.exchanged().bytes, 0u);
}

TEST(PlacementOnGpu, StreamGivesTheSameBitsAsResident) {
  const test::TempFolder resident_folder, stream_folder;
  Execution execution = golden_execution();
  Models resident(ModelSource{golden_model()}, execution);
  execution.residency = Residency::exchanged;
  for (const int blocks : {1, 2}) {
    execution.streamed_blocks = blocks;
    Models stream(ModelSource{golden_model()}, execution);
    for (int clip = 0; clip < 2; ++clip) {
      Clip one = clip_in(resident_folder, job_of(golden_run("unipc")));
      Clip other = clip_in(stream_folder, one.job);
      render(one, resident);
      render(other, stream);
      EXPECT_EQ(other.latents_sha256, one.latents_sha256) << blocks << " blocks wait";
    }
  }
}

TEST(PlacementOnGpu, AnExpertThatIsLoadedBehindGivesTheSameBits) {
  const test::TempFolder resident_folder, behind_folder;
  Execution execution = golden_execution();
  Models resident(ModelSource{golden_model()}, execution);
  for (const Residency residency : {Residency::both, Residency::exchanged}) {
    execution.residency = residency;
    Models behind(ModelSource{golden_model()}, execution);
    Clip one = clip_in(resident_folder, job_of(golden_run("unipc")));
    Clip other = clip_in(behind_folder, one.job);
    render(one, resident);
    for (const Stage stage : all_stages)
      advance(other, stage, behind, [&](Stage now, std::int64_t, std::int64_t) {
        if (now == Stage::high) behind.load_behind(Expert::low);
        return true;
      });
    EXPECT_EQ(other.latents_sha256, one.latents_sha256);
  }
}

TEST(PlacementOnGpu, CopiesInHostMemoryArePinnedSharedOrNot) {
  const DitWeights like = tiny_dit("high", Precision::reference);
  const std::uint64_t bytes = HostLayout(like).bytes;
  for (const auto& memory : {std::make_shared<HostMemory>(bytes), HostMemory::shared(bytes, 1)}) {
    HostExpert copy(like, memory, test::device());
    copy.write(like);
    EXPECT_TRUE(copy.weights().patch_embedding.weight.is_pinned());
    EXPECT_TRUE(at::equal(copy.weights().blocks[1].ffn_down.weight, like.blocks[1].ffn_down.weight.cpu()));
  }
}

TEST(PlacementOnGpu, SwapKeepsOneExpertOnTheDevice) {
  const std::uint64_t before = used();
  Experts experts = tiny_experts(Residency::exchanged);
  experts.use(Expert::high);
  const std::uint64_t one = used() - before;
  ASSERT_GT(one, 0u);
  for (const Expert next : {Expert::low, Expert::high, Expert::low}) {
    EXPECT_TRUE(experts.use(next).device().is_cuda());
    EXPECT_LE(used() - before, one + one / 10);
  }
}

TEST(PlacementOnGpu, ResidentKeepsBoth) {
  const std::uint64_t before = used();
  Experts experts = tiny_experts(Residency::both);
  experts.use(Expert::high);
  const std::uint64_t one = used() - before;
  ASSERT_GT(one, 0u);
  experts.use(Expert::low);
  EXPECT_GE(used() - before, 2 * one - one / 10);
}

TEST(PlacementOnGpu, FreeDeviceGivesAllOfItBack) {
  release_cached_memory(test::device());
  const DeviceMemory before = device_memory(test::device());
  Experts experts = tiny_experts(Residency::exchanged);
  experts.use(Expert::high);
  experts.use(Expert::low);
  EXPECT_GT(used(), before.used);
  experts.free_device();
  EXPECT_EQ(used(), before.used);
  EXPECT_LE(device_memory(test::device()).held, before.held) << "the allocator still caches it";
}

Models models_with_text_encoder(bool keep) {
  Execution execution = golden_execution();
  execution.keep_text_encoder = keep;
  return Models(ModelSource{golden_model()}, execution);
}

TEST(TextEncoderOnGpu, LeavesOnceTextsAreEmbedded) {
  // At their first use the libraries allocate memory that they keep.
  models_with_text_encoder(true).embed("snow");
  const std::uint64_t before = used();
  Models leaving = models_with_text_encoder(false), keeping = models_with_text_encoder(true);
  leaving.embed_ahead({"rain", "fog"});
  EXPECT_EQ(used(), before);
  keeping.embed_ahead({"rain", "fog"});
  EXPECT_GT(used(), before);
}

TEST(TextEncoderOnGpu, LeavesBeforeAnExpertComes) {
  models_with_text_encoder(true).embed("snow");
  const std::uint64_t before = used();
  Models models = models_with_text_encoder(false);
  models.embed("rain");
  const std::uint64_t text_encoder = used() - before;
  models.expert(Expert::high);
  const std::uint64_t expert = used() - before;
  EXPECT_GT(text_encoder, 0u);
  Experts alone = tiny_experts(Residency::both);
  const std::uint64_t before_alone = used();
  alone.use(Expert::high);
  EXPECT_EQ(expert, used() - before_alone) << "something else than the expert is on the device";
}

TEST(TextEncoderOnGpu, EmbedsAsOnTheCpu) {
  Execution execution = golden_execution();
  Models on_gpu(ModelSource{golden_model()}, execution);
  execution.text_device = at::kCPU;
  Models on_cpu(ModelSource{golden_model()}, execution);
  for (const std::string text : {"rain", "Two anthropomorphic cats in comfy boxing gear"}) {
    const at::Tensor here = on_gpu.embed(text).text;
    EXPECT_TRUE(here.is_cpu());
    expect_close(text, here, on_cpu.embed(text).text, 1e-4);
  }
}

}  // namespace
}  // namespace wf
