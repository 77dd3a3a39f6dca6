// tests/pipeline/ranks_mpi_test.cpp: the official results, computed by several ranks together in every way they can.
#include "parallel/mpi_communicator.hpp"
#include "parallel/nccl_communicator.hpp"
#include "pipeline/store.hpp"
#include "tests/parallel/degrees.hpp"
#include "tests/pipeline/golden_clip.hpp"
#include "tests/pipeline/model/tiny_dit.hpp"

namespace wf {
namespace {

constexpr double run_tolerance = 5e-5;

int world_size() { return mpi_communicator(MPI_COMM_WORLD)->size(); }

std::shared_ptr<const RankGroup> group_of(const Degrees& degrees) {
  std::unique_ptr<Communicator> gpus;
  if (test::device().is_cuda()) gpus = nccl_communicator(mpi_communicator(MPI_COMM_WORLD), test::device());
  return std::make_shared<RankGroup>(mpi_communicator(MPI_COMM_WORLD), degrees,
                                     RankGroup::OnGpus{std::move(gpus), test::device()});
}

TEST(Ranks, AForwardOverACutSequenceEqualsTheOfficialOne) {
  const c10::InferenceMode no_autograd;
  const Golden golden("dit.safetensors");
  const at::Tensor text = Golden("text.safetensors").input("0.f32"), x = golden.input("x").unsqueeze(0);
  for (const Degrees& degrees : test::sequence_degrees(world_size())) {
    const auto group = group_of(degrees);
    for (const std::string expert : {"high", "low"}) {
      const DitWeights weights = tiny_dit(expert, Precision::reference);
      const at::Tensor rope = rope_table(token_grid(x), weights.head_dim(), weights.device());
      const TextContext context = embed_text(weights, {text});
      for (const std::int64_t t : golden_timesteps) {
        const std::string name = expert + ".t" + std::to_string(t) + ".out";
        const at::Tensor velocity =
            dit_forward(weights, x, embed_time(weights, {t}), context, rope, math_attention(), &group->sequence());
        expect_close(test::words(degrees) + ", " + name, velocity.squeeze(0), golden[name], test::network_tolerance);
      }
    }
  }
}

/// Of the leader's clip the sample has become its latents; the others keep it in their state.
at::Tensor last_sample(const Clip& clip) { return clip.latents.x.defined() ? clip.latents.x : clip.state.x; }

class GoldenRunOnRanks : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Runs, GoldenRunOnRanks, testing::Values("unipc", "dpmpp", "default_schedule", "one_frame"),
                         [](const auto& run) { return run.param; });

TEST_P(GoldenRunOnRanks, LatentsEqualTheOfficialOnes) {
  const Golden golden("pipeline.safetensors");
  const test::TempFolder folder;
  for (const Degrees& degrees : test::all_degrees(world_size())) {
    Execution execution = golden_execution();
    execution.ranks = group_of(degrees);
    Models models(golden_model(), execution);
    Clip clip = clip_in(folder, job_of(golden_run(GetParam())));
    clip.files = {};
    for (const Stage stage : {Stage::text, Stage::high, Stage::low}) advance(clip, stage, models);
    const std::string last = GetParam() + ".step" + std::to_string(clip.job.steps - 1) + ".latent";
    expect_close(GetParam() + ", " + test::words(degrees), last_sample(clip), golden[last], run_tolerance);
  }
}

/// Each of the ranks draws the same noise and does the same solver steps: their latents are equal to the last bit.
TEST(Ranks, AllRanksOfAGroupHaveTheSameBits) {
  const auto world = mpi_communicator(MPI_COMM_WORLD);
  const test::TempFolder folder;
  for (const Degrees& degrees : test::all_degrees(world->size())) {
    Execution execution = golden_execution();
    execution.ranks = group_of(degrees);
    Models models(golden_model(), execution);
    Clip clip = clip_in(folder, job_of(golden_run("unipc")));
    clip.files = {};
    for (const Stage stage : {Stage::text, Stage::high, Stage::low}) advance(clip, stage, models);
    const at::Tensor of_rank_0 = last_sample(clip).cpu().clone();
    world->broadcast(of_rank_0, 0);
    EXPECT_TRUE(at::equal(last_sample(clip).cpu(), of_rank_0)) << test::words(degrees);
  }
}

}  // namespace
}  // namespace wf
