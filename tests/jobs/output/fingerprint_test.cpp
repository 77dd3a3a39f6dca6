// tests/jobs/output/fingerprint_test.cpp: what a fingerprint depends on, the official negative prompt, and sidecars
// written and read.
#include "jobs/output/fingerprint.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.hpp"
#include "jobs/output/sidecar.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

const Recipe recipe{"model", "exact"};

Job a_job() {
  Job job;
  job.name = "rain";
  job.prompt = "Rain \"on\" a window: 雨\n";
  job.seed = 42;
  return job;
}

TEST(DefaultNegativePrompt, IsTheOfficialOneByteForByte) {
  const auto clips = nlohmann::json::parse(read_file(Path(WF_TEST_DATA) / "golden" / "pipeline.json"));
  EXPECT_EQ(default_negative_prompt, clips.at(0).at("negative_prompt").get<std::string>());
}

TEST(Fingerprint, ChangesWithEveryValueThatDecidesOnTheClip) {
  const std::function<void(Job&)> changes[] = {[](Job& j) { j.prompt += " "; },
                                               [](Job& j) { j.negative_prompt = ""; },
                                               [](Job& j) { j.seed = 43; },
                                               [](Job& j) { j.width += 16; },
                                               [](Job& j) { j.height += 16; },
                                               [](Job& j) { j.frames += 4; },
                                               [](Job& j) { j.fps = 24; },
                                               [](Job& j) { j.steps = 41; },
                                               [](Job& j) { j.shift = std::nextafter(12.0, 13.0); },
                                               [](Job& j) { j.guidance.low = 3.1; },
                                               [](Job& j) { j.guidance.high = 4.1; },
                                               [](Job& j) { j.guidance.high = {}; },
                                               [](Job& j) { j.guidance.low = {}; },
                                               [](Job& j) {
                                                 j.guidance = {{}, {}};
                                               },
                                               [](Job& j) {
                                                 j.guidance = {0, 0};
                                               },
                                               [](Job& j) { j.solver = SolverKind::euler; },
                                               [](Job& j) { j.solver = SolverKind::dpmpp; },
                                               [](Job& j) {
                                                 j.saved.conditional = {20, 21};
                                               },
                                               [](Job& j) {
                                                 j.saved.conditional = {20, 22};
                                               },
                                               [](Job& j) {
                                                 j.saved.unconditional = {20, 21};
                                               },
                                               [](Job& j) {
                                                 j.saved.unguided = {20, 21};
                                               }};
  std::set<std::string> seen{fingerprint(a_job(), recipe)};
  for (const auto& change : changes) {
    Job job = a_job();
    change(job);
    EXPECT_TRUE(seen.insert(fingerprint(job, recipe)).second) << to_json(job);
  }
  EXPECT_TRUE(seen.insert(fingerprint(a_job(), {"other", "exact"})).second);
  EXPECT_TRUE(seen.insert(fingerprint(a_job(), {"model", "reference"})).second);
  EXPECT_TRUE(seen.insert(fingerprint(a_job(), {"model", "exact", /*tf32=*/true})).second);
  EXPECT_TRUE(seen.insert(fingerprint(a_job(), {"model", "exact", false, "NVIDIA H200"})).second);
  EXPECT_TRUE(seen.insert(fingerprint(a_job(), {.model_id = "model", .precision = "exact", .vae_bf16 = true})).second);
  EXPECT_TRUE(seen.insert(fingerprint(a_job(), {"model", "exact", false, "NVIDIA L40"})).second);
  for (const char* const blocks : {"", "0", "high:0"}) {
    const Recipe fp8{.model_id = "model", .precision = "fp8", .fp8_exact_blocks = blocks};
    EXPECT_TRUE(seen.insert(fingerprint(a_job(), fp8)).second) << blocks;
  }
}

TEST(Fingerprint, DoesNotDependOnNameIndexAndPriority) {
  Job job = a_job();
  job.name = "other";
  job.index = 7;
  job.priority = 3;
  EXPECT_EQ(fingerprint(job, recipe), fingerprint(a_job(), recipe));
}

TEST(Fingerprint, DependsOnTheForwardsThatAreSavedAndNotOnWhatAskedForThem) {
  Job job = a_job();
  job.step_cache = StepCache{};
  job.guidance_interval = GuidanceInterval{1, 40};
  EXPECT_EQ(fingerprint(job, recipe), fingerprint(a_job(), recipe)) << "nothing is saved";
  job.saved = {{20, 21}, {20}, {39}};
  Job other = a_job();
  other.saved = job.saved;
  other.step_cache = StepCache{{0.03, 1, 0}, "/cache.json", {}};
  EXPECT_EQ(fingerprint(job, recipe), fingerprint(other, recipe));
  EXPECT_NE(seedless_fingerprint(job), seedless_fingerprint(a_job())) << "other clips have other drawn seeds";
}

TEST(Fingerprint, WithoutSeedIsKnownBeforeTheForwardsThatAreSaved) {
  Job job = a_job();
  job.step_cache = StepCache{};
  const std::string asked = seedless_fingerprint(job);
  job.saved = {{20, 21}, {20}, {}};
  EXPECT_EQ(seedless_fingerprint(job), asked);
}

TEST(Fingerprint, NamesTheValuesInWhichClipsDiffer) {
  using Names = std::vector<std::string>;
  Job other = a_job();
  EXPECT_EQ(differing_values(a_job(), recipe, other, recipe), Names());
  other.name = "other";
  other.steps = 8;
  Recipe tf32 = recipe;
  tf32.tf32 = true;
  EXPECT_EQ(differing_values(a_job(), recipe, other, tf32), (Names{"steps", "tf32"}));
  EXPECT_EQ(differing_values(other, tf32, a_job(), recipe), (Names{"steps", "tf32"}));
  tf32.model_id = "another";
  EXPECT_EQ(differing_values(other, recipe, other, tf32), (Names{"model", "tf32"}));
}

TEST(Fingerprint, IsTheSameAsInEarlierVersions) {
  // Another value means that every finished clip of every user is rendered again: change it only on purpose.
  EXPECT_EQ(fingerprint(a_job(), recipe), "eede80ffa7178e419714f3e1c37d12c30ca0441b6cf5327c1f3930a86829f9bc");
}

TEST(Fingerprint, DoesNotDependOnANegativePromptThatNothingReads) {
  Job none = a_job(), half = a_job();
  none.guidance = {{}, {}}, half.guidance = {{}, 3.0};
  const std::string of_none = fingerprint(none, recipe), of_half = fingerprint(half, recipe);
  const std::string seedless = seedless_fingerprint(none);
  none.negative_prompt = half.negative_prompt = "blur";
  EXPECT_EQ(fingerprint(none, recipe), of_none);
  EXPECT_EQ(seedless_fingerprint(none), seedless);
  EXPECT_NE(fingerprint(half, recipe), of_half) << "one expert is guided";
}

TEST(Fingerprint, IsTheSameForARecipeWithExplicitDefaults) {
  EXPECT_EQ(fingerprint(a_job(), {"model", "exact", false, "cpu"}), fingerprint(a_job(), recipe));
}

TEST(Fingerprint, WithoutSeedIsTheSameForAllSeeds) {
  Job other = a_job();
  other.seed.reset();
  EXPECT_EQ(seedless_fingerprint(a_job()), seedless_fingerprint(other));
  other.steps = 8;
  EXPECT_NE(seedless_fingerprint(a_job()), seedless_fingerprint(other));
}

TEST(JobJson, ResolvesEveryValueInAFixedOrder) {
  Job job = a_job();
  job.negative_prompt = "";
  EXPECT_EQ(
      to_json(job),
      R"({"name":"rain","index":1,"prompt":"Rain \"on\" a window: 雨\n","negative_prompt":"","seed":42,"width":832,"height":480,)"
      R"("frames":81,"fps":16,"steps":40,"shift":12.0,"guidance":{"high":4.0,"low":3.0},"solver":"unipc","priority":0})");
}

TEST(JobJson, TellsWhatWasAskedForAndWhatIsSavedWhereItIs) {
  Job job = a_job();
  job.step_cache = StepCache{{0.03, 1, 0.2}};
  job.guidance_interval = GuidanceInterval{0.3, 1, true};
  job.saved = {{20, 21}, {}, {0}};
  const nlohmann::json json = nlohmann::json::parse(to_json(job));
  EXPECT_EQ(json.at("step_cache"), "magcache:0.03,1,0.2");
  EXPECT_EQ(json.at("guidance_interval"), "0.3,1.0");
  EXPECT_EQ(json.at("saved"), nlohmann::json::parse(R"({"conditional": [20, 21], "unguided": [0]})"));
}

TEST(JobJson, TakesThePathOfAStepCacheThatIsNotUtf8) {
  Job job = a_job();
  job.step_cache = StepCache{{}, "/caf\xe9.json", {}};
  EXPECT_NE(to_json(job).find("/caf\ufffd.json"), std::string::npos) << to_json(job);
}

Sidecar a_sidecar() {
  Sidecar sidecar;
  sidecar.job = a_job();
  sidecar.job.seed = std::numeric_limits<std::int64_t>::max();
  sidecar.job.shift = 0.1 + 0.2;
  sidecar.job.solver = SolverKind::dpmpp;
  sidecar.job.priority = -3;
  sidecar.recipe = recipe;
  sidecar.fingerprint = fingerprint(sidecar.job, recipe);
  sidecar.version = "1.2.3";
  sidecar.video_file = "rain.mp4";
  sidecar.video_bytes = std::uint64_t{1} << 40;
  sidecar.codec = "h264";
  sidecar.how = {{"device", "cpu"}, {"threads", "2"}};
  sidecar.seconds = {{"high", 1.25}, {"text", 1.0 / 3}};
  sidecar.latents_sha256 = "ab";
  sidecar.frames_sha256 = "cd";
  sidecar.file_sha256 = "ef";
  return sidecar;
}

TEST(Sidecar, ComesBackAsItWasWritten) {
  const test::TempFolder folder;
  const Sidecar written = a_sidecar();
  write_file(folder / "rain.json", to_json(written));
  const Sidecar read = read_sidecar(folder / "rain.json");
  EXPECT_EQ(to_json(read), to_json(written));
  EXPECT_EQ(read.job.seed, written.job.seed);
  EXPECT_EQ(read.job.shift, written.job.shift);
  EXPECT_EQ(read.video_bytes, written.video_bytes);
  EXPECT_EQ(read.seconds, written.seconds);
  EXPECT_EQ(read.file_sha256, written.file_sha256);
  EXPECT_EQ(fingerprint(read.job, read.recipe), written.fingerprint);
}

TEST(Sidecar, KeepsWhichFilesTheModelConsistedOf) {
  Sidecar written = a_sidecar();
  written.model.parts = {{"high", "high_noise_model"}, {"vae", "Wan2.1_VAE.pth"}};
  written.model.loras = {{"night.safetensors", "ab12", 0.1 + 0.2, -1.0}, {"low.safetensors", "cd34", {}, 1.0}};
  const nlohmann::json how = nlohmann::json::parse(to_json(written)).at("how");
  EXPECT_EQ(how.at("model").at("high"), "high_noise_model");
  EXPECT_EQ(how.at("model").at("loras").at(1),
            nlohmann::json::parse(R"({"file": "low.safetensors", "identity": "cd34", "strength": {"low": 1.0}})"));
  EXPECT_EQ(sidecar_from(to_json(written)).model, written.model);
  EXPECT_EQ(sidecar_from(to_json(written)).how, written.how);
  EXPECT_EQ(sidecar_from(to_json(a_sidecar())).model, ModelRecord{}) << "an older version's sidecar";
}

TEST(Sidecar, TellsWhatWasSavedAndWhy) {
  Sidecar written = a_sidecar();
  written.job.step_cache = StepCache{{0.03, 1, 0.2}};
  written.job.guidance_interval = GuidanceInterval{3, 30};
  written.job.saved = {{20, 21}, {}, {0, 1}};
  written.fingerprint = fingerprint(written.job, recipe);
  const nlohmann::json how = nlohmann::json::parse(to_json(written)).at("how");
  EXPECT_EQ(how.at("step_cache"), "magcache:0.03,1,0.2");
  EXPECT_EQ(how.at("guidance_interval"), "3,30");
  EXPECT_EQ(how.at("skipped_conditional"), (nlohmann::json{20, 21}));
  EXPECT_EQ(how.at("skipped_unconditional"), nlohmann::json::array()) << "of a step cache that saved none";
  EXPECT_EQ(how.at("unguided"), (nlohmann::json{0, 1}));
  EXPECT_EQ(how.at("threads"), "2");

  const Sidecar read = sidecar_from(to_json(written));
  EXPECT_EQ(read.job.saved, written.job.saved);
  EXPECT_EQ(read.job.step_cache, written.job.step_cache);
  EXPECT_EQ(read.job.guidance_interval, written.job.guidance_interval);
  EXPECT_EQ(read.how, written.how);
  EXPECT_EQ(fingerprint(read.job, read.recipe), written.fingerprint);
  EXPECT_EQ(to_json(read), to_json(written));

  const nlohmann::json without = nlohmann::json::parse(to_json(a_sidecar())).at("how");
  for (const char* const key : {"step_cache", "guidance_interval", "skipped_conditional", "unguided"})
    EXPECT_FALSE(without.contains(key)) << key;
}

TEST(Sidecar, KeepsTheFileOfAStepCache) {
  Sidecar written = a_sidecar();
  written.job.step_cache = StepCache{{}, "/caches/mine.json", StepCacheTable{{1}, {1}, {}}};
  EXPECT_EQ(nlohmann::json::parse(to_json(written)).at("how").at("step_cache"), "/caches/mine.json");
  EXPECT_EQ(sidecar_from(to_json(written)).job.step_cache->file, "/caches/mine.json");
}

TEST(Sidecar, KeepsThatAnExpertIsNotGuided) {
  for (const Guidance& guidance : {Guidance{{}, {}}, Guidance{4.0, {}}, Guidance{{}, 3.0}}) {
    Sidecar written = a_sidecar();
    written.job.guidance = guidance;
    written.fingerprint = fingerprint(written.job, recipe);
    const nlohmann::json json = nlohmann::json::parse(to_json(written)).at("job").at("guidance");
    EXPECT_EQ(json.at("high").is_null(), !guidance.high);
    EXPECT_EQ(json.at("low").is_null(), !guidance.low);
    const Sidecar read = sidecar_from(to_json(written));
    EXPECT_EQ(read.job.guidance, guidance);
    EXPECT_EQ(fingerprint(read.job, read.recipe), written.fingerprint);
  }
}

TEST(Sidecar, KeepsTheWholeRecipe) {
  const test::TempFolder folder;
  for (const Recipe& each :
       {recipe, Recipe{"model", "reference", true}, Recipe{"model", "exact", true, "NVIDIA H200"},
        Recipe{.model_id = "model", .precision = "exact", .weights = "fp8"},
        Recipe{.model_id = "model", .precision = "exact", .vae_bf16 = true},
        Recipe{
            .model_id = "model", .precision = "fp8", .fp8_exact_steps = 2, .fp8_exact_blocks = "high:0,low:38,39"}}) {
    Sidecar written = a_sidecar();
    written.recipe = each;
    written.fingerprint = fingerprint(written.job, each);
    write_file(folder / "rain.json", to_json(written));
    const Sidecar read = read_sidecar(folder / "rain.json");
    EXPECT_EQ(read.recipe, each);
    EXPECT_EQ(fingerprint(read.job, read.recipe), written.fingerprint);
  }
}

TEST(Sidecar, WithoutTf32AndNoiseIsReadWithTheirDefaults) {
  const test::TempFolder folder;
  const std::string text = to_json(a_sidecar());
  EXPECT_EQ(text.find("tf32"), std::string::npos);
  EXPECT_EQ(text.find("weights"), std::string::npos);
  EXPECT_EQ(text.find("noise"), std::string::npos);
  write_file(folder / "rain.json", text);
  EXPECT_EQ(read_sidecar(folder / "rain.json").recipe, recipe);
}

TEST(Sidecar, OfAnOlderVersionIsReadWithoutAHashOfTheFile) {
  Sidecar older = a_sidecar();
  older.file_sha256 = "";
  const std::string text = to_json(older);
  EXPECT_EQ(text.find("file_sha256"), std::string::npos);
  EXPECT_EQ(sidecar_from(text).file_sha256, "");
}

TEST(Sidecar, OfOtherContentIsRefusedWithTheFilesName) {
  const test::TempFolder folder;
  const std::string good = to_json(a_sidecar());
  std::string large = good, fraction = good;
  large.replace(large.find("832"), 3, "8320000000000");
  fraction.replace(fraction.find("832"), 3, "832.5");
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{}"), good.substr(0, good.size() / 2), large, fraction}) {
    write_file(folder / "rain.json", text);
    try {
      read_sidecar(folder / "rain.json");
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::input);
      EXPECT_EQ(std::string(error.what()).find((folder / "rain.json").string()), 0u) << error.what();
    }
  }
}

}  // namespace
}  // namespace wf
