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
  const at::Tensor text = Golden("text.safetensors").input("0.f32"), x = golden.input("x");
  for (const Degrees& degrees : test::sequence_degrees(world_size())) {
    const auto group = group_of(degrees);
    for (const std::string expert : {"high", "low"}) {
      const DitWeights weights = tiny_dit(expert, Precision::reference);
      for (const std::int64_t t : golden_timesteps) {
        const std::string name = expert + ".t" + std::to_string(t) + ".out";
        const at::Tensor velocity = forward(weights, x, t, text, math_attention(), &group->sequence());
        expect_close(test::words(degrees) + ", " + name, velocity, golden[name], test::network_tolerance);
      }
    }
  }
}

/// The device's fastest attention that fits, in bf16.
Execution exact_execution() {
  Execution execution = golden_execution();
  execution.precision = Precision::exact;
  execution.attention = {};
  return execution;
}

TEST(Ranks, AnExactForwardOverACutSequenceIsNotFartherFromF32ThanTheOfficialBf16Is) {
  const c10::InferenceMode no_autograd;
  const ChosenAttention attention = choose_attention(exact_execution(), tiny_dit("high", Precision::exact).head_dim());
  for (const Degrees& degrees : test::sequence_degrees(world_size()))
    expect_exact_is_near(test::words(degrees) + ", " + attention.name, attention.attention,
                         &group_of(degrees)->sequence());
}

/// The sample after the last step. (The leader's has become its clip's latents; the others keep it in their state.)
at::Tensor denoised(const std::string& run, const Execution& execution) {
  Models models(golden_model(), execution);
  const test::TempFolder folder;
  Clip clip = clip_in(folder, job_of(golden_run(run)));
  clip.files = {};
  for (const Stage stage : {Stage::text, Stage::high, Stage::low}) advance(clip, stage, models);
  return clip.latents.x.defined() ? clip.latents.x : clip.state.x;
}

at::Tensor golden_sample(const std::string& run) {
  return Golden("pipeline.safetensors")[run + ".step" + std::to_string(job_of(golden_run(run)).steps - 1) + ".latent"];
}

/// Everything in which ranks can share a clip.
struct Way {
  std::string name;
  Execution execution;
};

std::vector<Way> all_ways(const Execution& base) {
  std::vector<Way> ways;
  for (const Degrees& degrees : test::all_degrees(world_size())) {
    for (const GuidanceMode guidance : {GuidanceMode::two, GuidanceMode::batched}) {
      if (degrees.guidance == 2 && guidance == GuidanceMode::batched) continue;
      Way way{test::words(degrees) + (guidance == GuidanceMode::batched ? " batched" : ""), base};
      way.execution.ranks = group_of(degrees);
      way.execution.guidance = guidance;
      ways.push_back(std::move(way));
    }
  }
  return ways;
}

class GoldenRunOnRanks : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Runs, GoldenRunOnRanks, testing::Values("unipc", "dpmpp", "default_schedule", "one_frame"),
                         [](const auto& run) { return run.param; });

TEST_P(GoldenRunOnRanks, LatentsEqualTheOfficialOnes) {
  for (const auto& [name, execution] : all_ways(golden_execution()))
    expect_close(GetParam() + ", " + name, denoised(GetParam(), execution), golden_sample(GetParam()), run_tolerance);
}

TEST_P(GoldenRunOnRanks, ExactOnesAreNotFartherFromTheOfficialF32ThanThoseOfOneRank) {
  const at::Tensor official = golden_sample(GetParam());
  const double of_one = relative_distance(denoised(GetParam(), exact_execution()), official);
  for (const auto& [name, execution] : all_ways(exact_execution()))
    expect_within(GetParam() + " bf16, " + name, relative_distance(denoised(GetParam(), execution), official),
                  1.2 * of_one);
}

/// Each of the ranks draws the same noise and does the same solver steps: their latents are equal to the last bit.
TEST(Ranks, AllRanksOfAGroupHaveTheSameBits) {
  const auto world = mpi_communicator(MPI_COMM_WORLD);
  for (const Execution& base : {golden_execution(), exact_execution()}) {
    for (const auto& [name, execution] : all_ways(base)) {
      const at::Tensor ours = denoised("unipc", execution).cpu(), of_rank_0 = ours.clone();
      world->broadcast(of_rank_0, 0);
      EXPECT_TRUE(at::equal(ours, of_rank_0)) << name;
    }
  }
}

}  // namespace
}  // namespace wf
