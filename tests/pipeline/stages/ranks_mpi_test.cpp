// tests/pipeline/stages/ranks_mpi_test.cpp: several ranks together compute the official results, with every combination
// of parallel degrees.
#include <exception>
#include <limits>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "parallel/mpi_communicator.hpp"
#include "parallel/nccl_communicator.hpp"
#include "pipeline/stages/decode.hpp"
#include "pipeline/stages/store.hpp"
#include "pipeline/weights/random_draw.hpp"
#include "tests/parallel/degrees.hpp"
#include "tests/pipeline/model/tiny_dit.hpp"
#include "tests/pipeline/stages/golden_clip.hpp"

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
        expect_close(test::describe(degrees) + ", " + name, velocity, golden[name], test::network_tolerance);
      }
    }
  }
}

TEST(Ranks, ExactBlocksOverACutSequenceAreThoseOfTheExactExpert) {
  const c10::InferenceMode no_autograd;
  const Path folder = golden_model() / "high_noise_model";
  const at::Tensor text = Golden("text.safetensors").input("0.f32"), x = Golden("dit.safetensors").input("x");
  const DitWeights exact = tiny_dit("high", Precision::exact);
  const DitWeights fp8 = load_dit({Network::expert, folder}, exact.config, Precision::fp8, test::device(),
                                  WeightForm::as_computed, /*exact_blocks=*/{0, 1});
  for (const Degrees& degrees : test::sequence_degrees(world_size())) {
    const auto group = group_of(degrees);
    const auto velocity = [&](const DitWeights& weights, const SelfAttention& attention) {
      return forward(weights, x, 876, text, attention, &group->sequence());
    };
    EXPECT_TRUE(at::equal(velocity(fp8, rounded_attention(math_attention())), velocity(exact, math_attention())))
        << test::describe(degrees);
  }
}

/// Keys that a rank rounds to 8 bits and sends around the ring are those that the others would have made of bf16.
TEST(Ranks, KeysIn8BitsGoAroundTheRing) {
  const c10::InferenceMode no_autograd;
  const auto world = mpi_communicator(MPI_COMM_WORLD);
  const Attention packed = rounded_attention(math_attention()).of_rows;
  ASSERT_NE(packed.packing(), nullptr);
  const Attention plain = [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool with_lse) {
    return packed(q, k, v, with_lse);
  };
  for (const std::int64_t tokens : {1, 7, 40}) {  // some ranks have no rows of 1
    const std::vector<Range> rows = split(tokens, world->size());
    const Range& own = rows[static_cast<std::size_t>(world->rank())];
    const at::Tensor all = at::randn({3, 2, tokens, 3, 16}, seeded_generator(at::kCPU, 1), at::kFloat);
    const at::Tensor mine = all.narrow(2, own.begin, own.size).to(at::kBFloat16).contiguous();
    const auto around = [&](const Attention& attention) {
      return ring_attention(*world, rows, attention, mine[0], mine.narrow(0, 1, 2));
    };
    EXPECT_TRUE(at::equal(around(packed), around(plain))) << tokens;
  }
}

/// bf16, with the attention that choose_attention() picks for the device.
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
    expect_exact_is_near(test::describe(degrees) + ", " + attention.name, attention.attention,
                         &group_of(degrees)->sequence());
}

/// The sample after the last step, which the leader has as the clip's latents and the other ranks in their state.
at::Tensor denoised(const Job& job, const Execution& execution) {
  Models models(ModelSource{golden_model()}, execution);
  const test::TempFolder folder;
  Clip clip = clip_in(folder, job);
  clip.files = {};
  for (const Stage stage : {Stage::text, Stage::high, Stage::low}) advance(clip, stage, models);
  return clip.latents.x.defined() ? clip.latents.x : clip.state.x;
}
at::Tensor denoised(const std::string& run, const Execution& execution) {
  return denoised(job_of(golden_run(run)), execution);
}

at::Tensor golden_sample(const std::string& run) {
  return Golden("pipeline.safetensors")[run + ".step" + std::to_string(job_of(golden_run(run)).steps - 1) + ".latent"];
}

/// A way in which the ranks can share a clip: parallel degrees and guidance mode.
struct Sharing {
  std::string name;
  Execution execution;
};

std::vector<Sharing> all_sharings(const Execution& base) {
  std::vector<Sharing> sharings;
  for (const Degrees& degrees : test::all_degrees(world_size())) {
    for (const GuidanceMode guidance : {GuidanceMode::two, GuidanceMode::batched}) {
      if (degrees.guidance == 2 && guidance == GuidanceMode::batched) continue;
      Sharing sharing{test::describe(degrees) + (guidance == GuidanceMode::batched ? " batched" : ""), base};
      sharing.execution.ranks = group_of(degrees);
      sharing.execution.guidance = guidance;
      sharings.push_back(std::move(sharing));
    }
  }
  return sharings;
}

class GoldenRunOnRanks : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Runs, GoldenRunOnRanks, testing::Values("unipc", "dpmpp", "default_schedule", "one_frame"),
                         [](const auto& run) { return run.param; });

TEST_P(GoldenRunOnRanks, LatentsEqualTheOfficialOnes) {
  for (const auto& [name, execution] : all_sharings(golden_execution()))
    expect_close(GetParam() + ", " + name, denoised(GetParam(), execution), golden_sample(GetParam()), run_tolerance);
}

TEST_P(GoldenRunOnRanks, InBf16AreAsNearToTheOfficialF32AsThoseOfOneRank) {
  const at::Tensor official = golden_sample(GetParam());
  const double of_one = relative_distance(denoised(GetParam(), exact_execution()), official);
  for (const auto& [name, execution] : all_sharings(exact_execution()))
    expect_within(GetParam() + " bf16, " + name, relative_distance(denoised(GetParam(), execution), official),
                  1.2 * of_one);
}

TEST(Ranks, EulerGivesTheLatentsThatWereComputedElsewhere) {
  const at::Tensor golden = Golden("variants/variants.safetensors")["euler8.latent"];
  for (const auto& [name, execution] : all_sharings(golden_execution()))
    expect_close("euler8, " + name, denoised(job_of(golden_variant("euler8")), execution), golden, run_tolerance);
}

/// Also where the branches save different forwards, and some steps are not guided.
TEST(Ranks, WithSavedForwardsLatentsAreThoseThatWereComputedElsewhere) {
  for (const auto& [name, execution] : all_sharings(golden_execution()))
    expect_close("magcache, " + name, denoised(job_of(golden_variant("magcache")), execution),
                 Golden("variants/variants.safetensors")["magcache.latent"], run_tolerance);
  Job job = job_of(golden_run("unipc"));
  job.saved = {.conditional = {1, 5}, .unconditional = {2, 6}, .unguided = {0, 4}};
  const at::Tensor alone = denoised(job, golden_execution());
  for (const auto& [name, execution] : all_sharings(golden_execution()))
    expect_close("different forwards, " + name, denoised(job, execution), alone, run_tolerance);
}

/// A group with two guidance branches computes the conditional one in both, and each branch cuts the sequence in its
/// own way.
TEST(Ranks, WithoutGuidanceEveryRankHasTheLatentsOfOneRank) {
  for (const Guidance& guidance : {Guidance{{}, {}}, Guidance{4.0, {}}, Guidance{{}, 3.0}}) {
    Job job = job_of(golden_variant("lightning"));
    job.guidance = guidance;
    const at::Tensor alone = denoised(job, golden_execution());
    for (const auto& [name, execution] : all_sharings(golden_execution()))
      expect_close("guidance " + to_string(guidance) + ", " + name, denoised(job, execution), alone, run_tolerance);
  }
}

/// On GPUs; a CPU records nothing. Every clip records anew, in memory that the one before has left.
TEST(Ranks, RecordedForwardsGiveTheSameBits) {
  for (const auto& [name, execution] : all_sharings(exact_execution())) {
    Execution plain = execution, recorded = execution;
    plain.cuda_graphs = CudaGraphs::off;
    recorded.cuda_graphs = CudaGraphs::on;
    const at::Tensor wanted = denoised("unipc", plain);
    for (int clip = 0; clip < 3; ++clip) EXPECT_TRUE(at::equal(denoised("unipc", recorded), wanted)) << name;
  }
}

// ---- Decoding together

class DecodedTogether : public testing::Test {
 protected:
  static Execution splitting(const Degrees& degrees) {
    Execution execution = golden_execution();
    execution.ranks = group_of(degrees);
    execution.split_decode = true;
    return execution;
  }
  DecodedTogether()
      : world_(mpi_communicator(MPI_COMM_WORLD)), models_(ModelSource{golden_model()}, golden_execution()) {
    if (test::device().is_cuda()) world_ = nccl_communicator(std::move(world_), test::device());
  }
  int last_rank() const { return world_->size() - 1; }
  /// Latents of 7 rows, which no number of ranks divides.
  static Latents latents() { return {at::randn({16, 3, 7, 4}, seeded_generator(at::kCPU, 3)).to(test::device())}; }
  /// Whether the clip failed, on this rank, and what the first rank's sink got.
  std::pair<bool, std::vector<at::Tensor>> decoded(const Latents& clip) {
    std::vector<at::Tensor> frames;
    const TakeFrames keep = [&](const Frames& some) { frames.push_back(some.rgb); };
    const std::exception_ptr failure = decode_together(clip, models_.vae(), keep, *world_);
    return {failure != nullptr, frames};
  }

  const c10::InferenceMode no_autograd_;
  std::unique_ptr<Communicator> world_;
  Models models_;
};

/// A value that is rounded otherwise may be truncated to the next lower byte.
TEST_F(DecodedTogether, FramesAreThoseOfOneRankAndComeToTheFirstAlone) {
  std::vector<at::Tensor> alone;
  decode(latents(), models_.vae(), [&](const Frames& some) { alone.push_back(some.rgb); });
  const auto [failed, together] = decoded(latents());
  EXPECT_FALSE(failed);
  if (world_->rank() != 0) {
    EXPECT_TRUE(together.empty());
    return;
  }
  ASSERT_EQ(together.size(), alone.size());
  for (std::size_t i = 0; i < alone.size(); ++i) {
    const at::Tensor difference = (together[i].to(at::kInt) - alone[i].to(at::kInt)).abs();
    EXPECT_LE(difference.max().item<int>(), 1);
    expect_within("bytes that differ in chunk " + std::to_string(i),
                  (difference > 0).to(at::kDouble).mean().item<double>(), 1e-3);
  }
}

TEST_F(DecodedTogether, AClipThatFailsOnOneRankFailsOnAllAndTheNextOneIsDecoded) {
  Latents broken = latents();
  broken.x.select(2, 6).select(1, 1).fill_(std::numeric_limits<float>::quiet_NaN());  // rows of the last rank
  EXPECT_TRUE(decoded(broken).first);
  EXPECT_FALSE(decoded(latents()).first);
}

TEST_F(DecodedTogether, FramesThatCannotBeTakenFailTheClipOnAllRanks) {
  int taken = 0;
  const TakeFrames full_disk = [&](const Frames&) {
    if (++taken == 2) throw Error(Error::storage, "no space left");
  };
  const std::exception_ptr failure = decode_together(latents(), models_.vae(), full_disk, *world_);
  ASSERT_TRUE(failure);
  if (world_->rank() == 0) {
    try {
      std::rethrow_exception(failure);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::storage);
    }
  }
  EXPECT_EQ(taken, world_->rank() == 0 ? 2 : 0);
}

TEST_F(DecodedTogether, AClipHasItsFramesOnEveryCombinationOfDegrees) {
  const Job job = job_of(golden_run("one_frame"));
  for (const Degrees& degrees : test::all_degrees(world_size())) {
    Models models(ModelSource{golden_model()}, splitting(degrees));
    ASSERT_EQ(is_shared(Stage::decode, job, models.execution()), world_size() > 1);
    const test::TempFolder folder;
    Clip clip = clip_in(folder, job);
    if (world_->rank() != 0) clip.files = {};
    for (const Stage stage : {Stage::text, Stage::high, Stage::low, Stage::decode}) advance(clip, stage, models);
    EXPECT_EQ(clip.writer != nullptr, world_->rank() == 0) << test::describe(degrees);
    EXPECT_TRUE(clip.left_by_group);
  }
}

/// The leader alone looks for what an earlier run stored, when the others already wait for it.
TEST_F(DecodedTogether, AStageThatTheLeaderCannotBeginIsLeftByAllRanks) {
  if (world_size() == 1) return;  // one rank shares nothing
  Models models(ModelSource{golden_model()}, splitting({.guidance = 1, .ulysses = world_size(), .ring = 1}));
  for (const Stage stage : {Stage::low, Stage::decode}) {
    const test::TempFolder folder;
    Clip clip = clip_in(folder, job_of(golden_run("one_frame")));
    if (world_->rank() == 0)
      EXPECT_THROW(advance(clip, stage, models), Error) << to_string(stage);
    else
      EXPECT_NO_THROW(advance(clip, stage, models)) << to_string(stage);
    EXPECT_TRUE(clip.left_by_group);
  }
}

TEST_F(DecodedTogether, ClipsWithFewerRowsThanRanksAreDecodedByOne) {
  Job job;
  job.width = 64;
  job.height = 16;
  EXPECT_EQ(decoding_ranks(job, true, 2), 2);
  EXPECT_EQ(decoding_ranks(job, true, 3), 1);
  EXPECT_EQ(decoding_ranks(job, false, 2), 1);
}

/// Each rank has the same noise and does the same solver steps.
TEST(Ranks, AllRanksOfAGroupHaveTheSameBits) {
  const auto world = mpi_communicator(MPI_COMM_WORLD);
  for (const Execution& base : {golden_execution(), exact_execution()}) {
    for (const auto& [name, execution] : all_sharings(base)) {
      const at::Tensor ours = denoised("unipc", execution).cpu(), of_rank_0 = ours.clone();
      world->broadcast(of_rank_0, 0);
      EXPECT_TRUE(at::equal(ours, of_rank_0)) << name;
    }
  }
}

}  // namespace
}  // namespace wf
