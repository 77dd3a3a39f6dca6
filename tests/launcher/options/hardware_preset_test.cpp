// tests/launcher/options/hardware_preset_test.cpp: what a hardware preset fills in on which GPU, and what it leaves to
// flags.
#include "launcher/options/hardware_preset.hpp"

#include <gtest/gtest.h>

#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "launcher/cli/flags.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/options/shared_settings.hpp"
#include "launcher/planner/run_plan.hpp"
#include "launcher/random_model/random_model.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

constexpr std::uint64_t gib = 1ull << 30, gb = 1'000'000'000;
constexpr PresetGpu h100{90, 79 * gib}, ada{89, 200 * gib}, a100{80, 79 * gib};

/// These options, with what the preset says of the GPU filled in.
RunOptions filled(HardwarePreset preset, const PresetGpu& gpu, const RunOptions& given) {
  RunOptions options = given;
  options.preset = preset;
  apply_preset(options, gpu);
  return options;
}

RunOptions filled(HardwarePreset preset, const PresetGpu& gpu) {
  const RunOptions nothing_given;
  return filled(preset, gpu, nothing_given);
}

TEST(HardwarePreset, MaximumIsMemoryAloneAndTheRestIsAsWithoutIt) {
  const RunOptions options = filled(HardwarePreset::maximum, ada);
  EXPECT_EQ(options.gpu_memory, 80 * gb);
  EXPECT_FALSE(options.precision || options.weights || options.tf32);
  const Execution execution = execution_on(at::Device(at::kCUDA, 0), options);
  EXPECT_EQ(execution.precision, Precision::exact);
  EXPECT_EQ(execution.weights, WeightForm::as_computed);
  EXPECT_FALSE(execution.tf32);
}

TEST(HardwarePreset, OthersComputeIn8BitsWhereTheGpuCanAndKeepExpertsInThemElsewhere) {
  for (const auto& [preset, budget] :
       {std::pair(HardwarePreset::balanced, 40 * gb), {HardwarePreset::constrained, 24 * gb}}) {
    const RunOptions newer = filled(preset, ada), older = filled(preset, a100);
    EXPECT_EQ(newer.gpu_memory, budget);
    EXPECT_EQ(newer.precision, Precision::fp8_linear);
    EXPECT_FALSE(newer.weights) << "its linear layers are in 8 bits already";
    EXPECT_EQ(newer.tf32, true);
    EXPECT_EQ(older.gpu_memory, budget);
    EXPECT_FALSE(older.precision);
    EXPECT_EQ(older.weights, WeightForm::fp8);
    EXPECT_EQ(older.tf32, true);
  }
}

TEST(HardwarePreset, LeavesPlacementAndTextEncoderToThePlanner) {
  const RunOptions options = filled(HardwarePreset::constrained, ada);
  EXPECT_FALSE(options.planning.choices.mode || options.planning.choices.text_on_cpu);
}

TEST(HardwarePreset, NeverAsksForMoreMemoryThanTheGpuHas) {
  EXPECT_EQ(filled(HardwarePreset::maximum, {89, 24 * gb}).gpu_memory, 0u) << "all of it";
  EXPECT_EQ(filled(HardwarePreset::constrained, {89, 24 * gb}).gpu_memory, 0u);
  EXPECT_EQ(filled(HardwarePreset::constrained, {89, 24 * gb + 1}).gpu_memory, 24 * gb);
}

TEST(HardwarePreset, AsksOfNoKnownGpuWhatItCannotCompute) {
  for (const GpuFigures& gpu : known_gpus()) {
    RunOptions options = filled(HardwarePreset::balanced, {gpu.capability, gpu.memory_bytes});
    const at::Device device(at::kCUDA, 0);
    EXPECT_NO_THROW(check_precision(execution_on(device, options), gpu.kind, gpu.capability)) << gpu.kind;
    if (options.precision) continue;
    options.precision = Precision::fp8_linear;
    EXPECT_THROW(check_precision(execution_on(device, options), gpu.kind, gpu.capability), Error)
        << gpu.kind << " could, and was not asked to";
  }
}

TEST(HardwarePreset, IsNothingOnACpu) {
  RunOptions options;
  for (const std::string& name : hardware_presets()) {
    options.preset = hardware_preset(name);
    apply_preset(options, at::Device(at::kCPU));
    EXPECT_EQ(options.gpu_memory, 0u);
    EXPECT_FALSE(options.precision || options.weights || options.tf32) << name;
    EXPECT_EQ(execution_on(at::kCPU, options).precision, Precision::reference) << name;
  }
}

TEST(HardwarePreset, WithoutOneNothingIsFilledIn) {
  RunOptions options;
  apply_preset(options, ada);
  EXPECT_EQ(options.gpu_memory, 0u);
  EXPECT_FALSE(options.precision || options.weights || options.tf32);
}

TEST(HardwarePreset, FilledInTwiceIsAsOnce) {
  for (const PresetGpu& gpu : {ada, a100}) {
    const RunOptions once = filled(HardwarePreset::balanced, gpu), twice = filled(HardwarePreset::balanced, gpu, once);
    EXPECT_EQ(shared_settings(twice), shared_settings(once));
    EXPECT_EQ(twice.gpu_memory, once.gpu_memory);
  }
}

using Typed = std::vector<std::pair<std::string, std::string>>;  ///< flags and their values

/// The choices that flags make, set in this order.
struct Parsed {
  RunOptions run;
  JobSettings clips;
};
Parsed parsed(const Typed& typed) {
  Parsed choices;
  std::vector<Flag> flags = run_flags(choices.run);
  append(flags, job_flags(choices.clips, {.hardware = &choices.run.preset, .encoder = &choices.run.video.preset}));
  for (const auto& [name, value] : typed) std::ranges::find(flags, name, &Flag::names)->set(value);
  return choices;
}

/// The options that these flags make on this GPU, with a preset before all of them and after them.
std::vector<RunOptions> around(const std::string& preset, const PresetGpu& gpu, const Typed& typed) {
  Typed before = typed, after = typed;
  before.emplace(before.begin(), "--preset", preset);
  after.emplace_back("--preset", preset);
  std::vector<RunOptions> all{parsed(before).run, parsed(after).run};
  for (RunOptions& options : all) apply_preset(options, gpu);
  return all;
}

TEST(HardwarePreset, FlagsBeforeAndAfterItWin) {
  for (const RunOptions& options : around("balanced", ada, {{"--gpu-memory", "30GB"}}))
    EXPECT_EQ(options.gpu_memory, 30 * gb);
  for (const RunOptions& options : around("balanced", ada, {{"--precision", "fp8-ffn"}})) {
    EXPECT_EQ(options.precision, Precision::fp8_ffn);
    EXPECT_EQ(options.tf32, true) << "no flag has said anything of it";
  }
  for (const RunOptions& options : around("constrained", ada, {{"--precision", "auto"}}))
    EXPECT_FALSE(options.precision) << "exact, on a GPU";
  for (const RunOptions& options : around("balanced", a100, {{"--weights", "auto"}}))
    EXPECT_EQ(options.weights, WeightForm::as_computed);
  for (const RunOptions& options : around("balanced", ada, {{"--no-tf32", "true"}})) EXPECT_EQ(options.tf32, false);
}

TEST(HardwarePreset, ThePrecisionThatCountsIsTheLastOneGiven) {
  for (const RunOptions& options : around("balanced", ada, {{"--precision", "auto"}, {"--precision", "exact"}}))
    EXPECT_EQ(options.precision, Precision::exact);
  for (const RunOptions& options : around("balanced", ada, {{"--precision", "exact"}, {"--precision", "auto"}}))
    EXPECT_FALSE(options.precision);
}

TEST(PresetFlag, TakesOnePresetOfEachKind) {
  const Parsed all = parsed({{"--preset", "lightning"}, {"--preset", "constrained"}, {"--preset", "slow"}});
  EXPECT_EQ(all.clips.preset, Preset::lightning);
  EXPECT_EQ(all.run.preset, HardwarePreset::constrained);
  EXPECT_EQ(all.run.video.preset, "slow");
  EXPECT_EQ(parsed({{"--preset", "balanced"}, {"--preset", "maximum"}}).run.preset, HardwarePreset::maximum)
      << "of one kind the last counts";
}

std::string refusal(const Flag& flag, const std::string& value) {
  try {
    flag.set(value);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    return error.what();
  }
  return "nothing was refused";
}

TEST(PresetFlag, RefusesOtherNamesAndListsThoseThatItsVerbTakes) {
  std::optional<Preset> clips;
  std::optional<HardwarePreset> hardware;
  std::string encoder;
  EXPECT_EQ(refusal(preset_flag({.clips = &clips, .hardware = &hardware}), "slow"),
            "must be one of lightning, maximum, balanced, constrained; got 'slow'");
  EXPECT_EQ(refusal(preset_flag({.hardware = &hardware}), "lightning"),
            "must be one of maximum, balanced, constrained; got 'lightning'");
  EXPECT_EQ(refusal(preset_flag({.clips = &clips}), "balanced"), "must be one of lightning; got 'balanced'");
  const std::string all = refusal(preset_flag({.clips = &clips, .hardware = &hardware, .encoder = &encoder}), "quick");
  EXPECT_TRUE(
      all.starts_with("must be one of lightning, maximum, balanced, constrained; or, in place of "
                      "--encoder-preset, ultrafast, "))
      << all;
  EXPECT_TRUE(all.ends_with("; got 'quick'")) << all;
  EXPECT_FALSE(clips || hardware || !encoder.empty()) << "what is refused changes nothing";
}

TEST(PresetFlag, RefusesNoNameThatItsHelpOffers) {
  std::optional<Preset> clips;
  std::optional<HardwarePreset> hardware;
  const Flag flag = preset_flag({.clips = &clips, .hardware = &hardware});
  EXPECT_EQ(flag.choices, (std::vector<std::string>{"lightning", "maximum", "balanced", "constrained"}));
  for (const std::string& name : flag.choices) EXPECT_NO_THROW(flag.set(name)) << name;
}

TEST(ParsePreset, OfAListRefusesTheNameOfEveryHardwarePreset) {
  for (const std::string& name : hardware_presets()) {
    try {
      parse_preset(name);
      ADD_FAILURE() << name << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::input);
      EXPECT_EQ(std::string(error.what()),
                "preset must be lightning: " + name + " depends on the machine, and is given by the flag --preset");
    }
  }
}

TEST(SharedSettings, RanksWithOtherPresetsAreFound) {
  RunOptions none, constrained, maximum;
  constrained.preset = HardwarePreset::constrained, maximum.preset = HardwarePreset::maximum;
  const auto difference = [](const RunOptions& own, const RunOptions& of_rank_0) {
    return first_difference(shared_settings(own), shared_settings(of_rank_0));
  };
  EXPECT_EQ(difference(constrained, none), "--preset constrained, and rank 0 with --preset not given");
  EXPECT_EQ(difference(constrained, maximum), "--preset constrained, and rank 0 with --preset maximum");
  EXPECT_EQ(difference(constrained, constrained), "");
}

TEST(SharedSettings, RanksOnWhoseGpusOnePresetIsDifferentAreFoundAndAdvised) {
  const SharedSettings on_h100 = shared_settings(filled(HardwarePreset::balanced, h100)),
                       on_a100 = shared_settings(filled(HardwarePreset::balanced, a100));
  EXPECT_EQ(first_difference(on_a100, on_h100),
            "--precision auto, and rank 0 with --precision fp8-linear (--preset balanced depends on the GPU: give "
            "--precision and --weights as well)");
  RunOptions given;
  given.precision = Precision::exact, given.weights = WeightForm::fp8;
  EXPECT_EQ(first_difference(shared_settings(filled(HardwarePreset::balanced, a100, given)),
                             shared_settings(filled(HardwarePreset::balanced, h100, given))),
            "")
      << "the advice helps";
}

/// A model of the published size, whose weights are described alone.
const Path& published_folder() {
  static const test::TempFolder folder;
  static const Path written = [] {
    write_random_model(folder / "a14b", {.size = preset("a14b"), .described = true});
    return folder / "a14b";
  }();
  return written;
}

/// What a run of one clip does on a GPU of this kind. Throws where nothing fits.
PlanResult planned(const std::string& kind, HardwarePreset preset, int width, int height) {
  const GpuFigures gpu = gpu_figures(kind);
  const RunOptions options = filled(preset, {gpu.capability, gpu.memory_bytes});
  const Execution execution = execution_on(at::Device(at::kCUDA, 0), options);
  const std::uint64_t memory = options.gpu_memory > 0 ? options.gpu_memory : gpu.memory_bytes;
  Job job;
  job.width = width, job.height = height;
  const ModelParts parts = read_model({published_folder()}, execution);
  return make_plan(request_for(parts, {job}, execution, options.planning, {{1}, kind, memory, 0}));
}

TEST(HardwarePreset, OfEachClassHasAPlacementOfThePublishedModelThatFits) {
  for (const auto& [kind, preset] : {std::pair("h100", HardwarePreset::maximum),
                                     {"a100", HardwarePreset::maximum},
                                     {"a100", HardwarePreset::balanced},
                                     {"h100", HardwarePreset::balanced},
                                     {"l40s", HardwarePreset::balanced},
                                     {"rtx4090", HardwarePreset::constrained}})
    for (const auto& [width, height] : {std::pair(832, 480), {1280, 720}})
      EXPECT_NO_THROW(EXPECT_TRUE(planned(kind, preset, width, height).winner().fits()))
          << kind << ", " << to_string(preset) << ", " << width << "x" << height;
}

}  // namespace
}  // namespace wf
