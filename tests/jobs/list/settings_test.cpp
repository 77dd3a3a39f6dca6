// tests/jobs/list/settings_test.cpp: values of flags and lists, valid and invalid, and the messages for invalid ones.
#include "jobs/list/settings.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "jobs/list/suggest.hpp"
#include "jobs/list/utf8.hpp"

namespace wf {
namespace {

/// The message of the Error(input) that the action throws, or "accepted".
template <class Action>
std::string refusal(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    return error.what();
  }
  return "accepted";
}

TEST(Settings, SizeIsWrittenWithXOrStar) {
  for (const std::string text : {"832x480", "832*480", "832X480"}) {
    const auto size = parse_size(text);
    EXPECT_EQ(size.width, 832) << text;
    EXPECT_EQ(size.height, 480) << text;
  }
  for (const std::string text :
       {"", "x", "832", "832x", "x480", "832x480x1", "-832x480", "832 x 480", "832x4e2", "832x0480", "0x16"})
    EXPECT_EQ(refusal([&] { parse_size(text); }), "size must be WIDTHxHEIGHT, such as 832x480, got '" + text + "'");
}

TEST(Settings, SizeNamesTheNearestMultiples) {
  EXPECT_EQ(refusal([] { parse_size("839x472"); }), "size must be multiples of 16, got 839x472 (nearest: 832x480)");
  EXPECT_EQ(refusal([] { parse_size("1x1"); }), "size must be multiples of 16, got 1x1 (nearest: 16x16)");
  EXPECT_EQ(refusal([] { parse_size("2147483647x16"); }),
            "size must be multiples of 16, got 2147483647x16 (nearest: 8192x16)");
}

TEST(Settings, FramesNameBothNeighbours) {
  EXPECT_EQ(parse_frames("1"), 1);
  EXPECT_EQ(parse_frames("81"), 81);
  EXPECT_EQ(refusal([] { parse_frames("80"); }), "frames must be 4k+1, got 80 (nearest: 77, 81)");
  EXPECT_EQ(refusal([] { parse_frames("2"); }), "frames must be 4k+1, got 2 (nearest: 1, 5)");
  EXPECT_EQ(refusal([] { parse_frames("84"); }), "frames must be 4k+1, got 84 (nearest: 81, 85)");
  EXPECT_EQ(refusal([] { parse_frames("-3"); }), "frames must be 1 to 10001, got -3");
}

TEST(Settings, SeedIsANumberOrRandom) {
  EXPECT_EQ(parse_seed("0").value, 0);
  EXPECT_EQ(parse_seed("9223372036854775807").value, std::numeric_limits<std::int64_t>::max());
  EXPECT_FALSE(parse_seed("random").value);
  EXPECT_FALSE(parse_seed("-1").value);
  EXPECT_NE(refusal([] { parse_seed("-2"); }), "accepted");
  EXPECT_NE(refusal([] { parse_seed("9223372036854775808"); }), "accepted");
}

TEST(Settings, GuidanceIsOneNumberOrTwo) {
  EXPECT_EQ(parse_guidance("4"), (Guidance{4, 4}));
  EXPECT_EQ(parse_guidance("4,3.5"), (Guidance{4, 3.5}));
  EXPECT_EQ(parse_guidance("4, 3.5"), (Guidance{4, 3.5}));
  for (const std::string text : {"", ",", "4,", ",3", "4,3,2", "-1", "nan", "high"})
    EXPECT_NE(refusal([&] { parse_guidance(text); }), "accepted") << text;
}

TEST(Settings, GuidanceMayBeNoneForOneExpertOrBoth) {
  EXPECT_EQ(parse_guidance("none"), (Guidance{{}, {}}));
  EXPECT_EQ(parse_guidance("3.5,none"), (Guidance{3.5, {}}));
  EXPECT_EQ(parse_guidance("none, 3"), (Guidance{{}, 3}));
  EXPECT_NE(parse_guidance("none"), parse_guidance("0")) << "0 is the unconditional velocity";
  for (const std::string text : {"None", "null", "none,", "off"})
    EXPECT_NE(refusal([&] { parse_guidance(text); }), "accepted") << text;
  EXPECT_EQ(to_string(parse_guidance("none,none")), "none");
  EXPECT_EQ(to_string(parse_guidance("3.5,none")), "high 3.5, low none");
}

TEST(Settings, GuidanceAndShiftThatNoClipCanHaveAreRefused) {
  EXPECT_EQ(parse_guidance("1000"), (Guidance{1000, 1000}));
  EXPECT_EQ(refusal([] { parse_guidance("1e300"); }), "guidance must be a number from 0 to 1000, or none, got 1e300");
  EXPECT_EQ(refusal([] { parse_guidance("4,1000.1"); }),
            "guidance low must be a number from 0 to 1000, or none, got 1000.1");
  for (const std::string text : {"inf", "nan", "1e999", "-0.1"})
    EXPECT_NE(refusal([&] { parse_guidance(text); }), "accepted") << text;
  EXPECT_EQ(parse_shift("1000"), 1000);
  EXPECT_EQ(parse_shift("0.001"), 0.001);
  EXPECT_EQ(refusal([] { parse_shift("1e9"); }), "shift must be a number from 0.001 to 1000, got 1e9");
  EXPECT_NE(refusal([] { parse_shift("1e-9"); }), "accepted");
}

TEST(Settings, SolversAndPresetsAreKnownByName) {
  for (const SolverKind solver : all_solvers) EXPECT_EQ(parse_solver(std::string(to_string(solver))), solver);
  EXPECT_EQ(refusal([] { parse_solver("heun"); }), "solver must be unipc, dpm++ or euler, got 'heun'");
  EXPECT_EQ(parse_preset("lightning"), Preset::lightning);
  EXPECT_EQ(refusal([] { parse_preset("slow"); }), "preset must be lightning, got 'slow'");
}

JobSettings with_lightning() {
  JobSettings settings;
  settings.preset = Preset::lightning;
  return settings;
}

TEST(Preset, StandsForFourEulerStepsWithoutGuidance) {
  const Job job = apply(with_lightning());
  EXPECT_EQ(job.solver, SolverKind::euler);
  EXPECT_EQ(job.steps, 4);
  EXPECT_EQ(job.shift, 5);
  EXPECT_EQ(job.guidance, (Guidance{{}, {}}));
  EXPECT_EQ(job.frames, Job().frames) << "it says nothing of other values";
}

TEST(Preset, StandsJustBelowTheOtherValuesOfItsLevel) {
  JobSettings low, high;
  low.steps = 30, low.shift = 7.0, low.frames = 9;
  high = with_lightning();
  high.steps = 8;
  Job job = apply(merged(high, low));
  EXPECT_EQ(job.steps, 8) << "a value beside the preset";
  EXPECT_EQ(job.shift, 5) << "the preset, above a lower level's values";
  EXPECT_EQ(job.frames, 9) << "of which it says nothing";

  low = with_lightning();
  low.shift = 3.0;
  high = {};
  high.guidance = Guidance{2, 2};
  JobSettings top;
  top.solver = SolverKind::unipc;
  for (const JobSettings& all : {merged(top, merged(high, low)), merged(merged(top, high), low)}) {
    job = apply(all);
    EXPECT_EQ(job.solver, SolverKind::unipc);
    EXPECT_EQ(job.guidance, (Guidance{2, 2}));
    EXPECT_EQ(job.shift, 3);
    EXPECT_EQ(job.steps, 4);
  }
}

TEST(Preset, WithAGuidanceAbove1IsOverdone) {
  JobSettings settings = with_lightning();
  EXPECT_FALSE(overdoes_guidance(settings));
  for (const auto& [guidance, overdone] : {std::pair(Guidance{1, {}}, false), {{{}, 1.5}, true}, {{4, 3}, true}}) {
    settings.guidance = guidance;
    EXPECT_EQ(overdoes_guidance(settings), overdone) << to_string(guidance);
  }
  EXPECT_FALSE(overdoes_guidance({})) << "the built-in guidance without the preset";
}

TEST(StepCacheSetting, IsOffOrARule) {
  EXPECT_FALSE(parse_step_cache("off").value);
  EXPECT_EQ(parse_step_cache("magcache").value, StepCache{});
  EXPECT_EQ(parse_step_cache("magcache:0.03,1,0").value->rule, (StepCacheRule{0.03, 1, 0}));
  EXPECT_EQ(to_string(*parse_step_cache("magcache:0.030,1,.25").value), "magcache:0.03,1,0.25");
  EXPECT_EQ(to_string(StepCache{}), "magcache:0.06,2,0.4");
}

TEST(StepCacheSetting, WithAnotherRuleIsRefused) {
  const std::string whole = "step_cache must be magcache:E,K,R, such as magcache:0.06,2,0.4, got 'magcache:";
  for (const std::string rule : {"", "0.06", "0.06,2", "0.06,2,0.4,1"})
    EXPECT_EQ(refusal([&] { parse_step_cache("magcache:" + rule); }), whole + rule + "'");
  EXPECT_EQ(refusal([] { parse_step_cache("magcache:0,2,0.4"); }), "E of step_cache must be a number above 0, got 0");
  EXPECT_EQ(refusal([] { parse_step_cache("magcache:nan,2,0.4"); }),
            "E of step_cache must be a number above 0, got 'nan'");
  EXPECT_EQ(refusal([] { parse_step_cache("magcache:0.06,0,0.4"); }), "K of step_cache must be 1 to 1000, got 0");
  EXPECT_EQ(refusal([] { parse_step_cache("magcache:0.06,2.5,0.4"); }),
            "K of step_cache must be a whole number, got 2.5");
  EXPECT_EQ(refusal([] { parse_step_cache("magcache:0.06,2,1.1"); }),
            "R of step_cache must be a number from 0 to 1, got 1.1");
}

TEST(StepCacheSetting, ThatNamesNoFileSaysWhatMayStandThere) {
  EXPECT_EQ(refusal([] { parse_step_cache("no-such.json", "/no/such"); }),
            "step_cache must be off, magcache, magcache:E,K,R or the path of a JSON file, got 'no-such.json' (there is "
            "no file /no/such/no-such.json)");
  EXPECT_NE(refusal([] { parse_step_cache(std::string(5000, 'x')); }).find("there is no file"), std::string::npos);
  EXPECT_NE(refusal([] { parse_step_cache("."); }), "accepted") << "a folder";
  EXPECT_EQ(refusal([] { parse_step_cache(""); }),
            "step_cache must be off, magcache, magcache:E,K,R or the path of a JSON file, got ''");
}

TEST(StepCacheSetting, CannotGoWithAPresetOfFewSteps) {
  JobSettings settings = with_lightning();
  settings.step_cache = parse_step_cache("magcache");
  EXPECT_EQ(refusal([&] { apply(settings); }),
            "step_cache and preset lightning cannot go together: a model of few steps changes too much in each to save "
            "any (say step_cache: off)");
  settings.step_cache = parse_step_cache("off");
  EXPECT_FALSE(apply(settings).step_cache);
}

TEST(StepCacheSetting, OffAboveTurnsOffWhatStandsBelow) {
  JobSettings defaults, prompt;
  defaults.step_cache = parse_step_cache("magcache");
  defaults.guidance_interval = parse_guidance_interval("3,30");
  EXPECT_TRUE(apply(merged(prompt, defaults)).step_cache && apply(merged(prompt, defaults)).guidance_interval);
  prompt.step_cache = parse_step_cache("off");
  prompt.guidance_interval = parse_guidance_interval("off");
  EXPECT_FALSE(apply(merged(prompt, defaults)).step_cache);
  EXPECT_FALSE(apply(merged(prompt, defaults)).guidance_interval);
}

TEST(GuidanceIntervalSetting, IsOfStepsOrOfSigmas) {
  EXPECT_FALSE(parse_guidance_interval("off").value);
  EXPECT_EQ(parse_guidance_interval("3,30").value, (GuidanceInterval{3, 30, false}));
  EXPECT_EQ(parse_guidance_interval("7, 7").value, (GuidanceInterval{7, 7, false}));
  EXPECT_EQ(parse_guidance_interval("0.3,0.95").value, (GuidanceInterval{0.3, 0.95, true}));
  for (const std::string text : {"3,30", "0.0,1.0", "0.3,1.0", "1e-07,0.5"})
    EXPECT_EQ(to_string(*parse_guidance_interval(text).value), text) << "a sigma is still one when it is read again";
}

TEST(GuidanceIntervalSetting, OfAnythingElseIsRefused) {
  const std::pair<std::string, std::string> refused[] = {
      {"3", "guidance_interval must be off or FROM,TO, got '3'"},
      {"3,", "guidance_interval must be a whole number, got ''"},
      {"3,4,5", "guidance_interval must be a whole number, got '4,5'"},
      {"0,4", "guidance_interval must be 1 to 1000, got 0"},
      {"-1,4", "guidance_interval must be 1 to 1000, got -1"},
      {"30,3", "guidance_interval must be FROM,TO with FROM <= TO, got 30,3"},
      {"0.9,0.3", "guidance_interval must be FROM,TO with FROM <= TO, got 0.9,0.3"},
      {"0.3,1",
       "guidance_interval must be two steps, such as 3,30, or two sigmas, such as 0.3,0.9, got 1 (a sigma has "
       "a decimal point)"},
      {"0.3,1.1", "guidance_interval in sigma must be a number from 0 to 1, got 1.1"},
      {"0.3,nan.", "guidance_interval in sigma must be a number from 0 to 1, got 'nan.'"},
  };
  for (const auto& [text, message] : refused)
    EXPECT_EQ(refusal([&, text = text] { parse_guidance_interval(text); }), message);
}

TEST(Settings, NumbersArePlainDecimals) {
  EXPECT_EQ(parse_count("steps", "40", 1), 40);
  EXPECT_EQ(parse_count("priority", "-5", std::numeric_limits<int>::min()), -5);
  EXPECT_EQ(parse_shift("1e1"), 10);
  EXPECT_EQ(parse_shift(".5"), 0.5);
  for (const std::string text :
       {"", " 4", "4 ", "+4", "04", "0x4", "1_000", "4.0", "4e0", "--4", "four", "99999999999"})
    EXPECT_NE(refusal([&] { parse_count("steps", text, 1); }), "accepted") << text;
  for (const std::string text : {"", "0", "-1", "nan", "inf", "1e999", "0x1p3", "1,5", "012.5"})
    EXPECT_NE(refusal([&] { parse_shift(text); }), "accepted") << text;
  EXPECT_EQ(refusal([] { parse_count("steps", "1_000", 1); }),
            "steps must be a whole number, got '1_000' (write 1000)");
  EXPECT_EQ(refusal([] { parse_count("the value", "0", 1); }), "the value must be 1 or more, got 0");
}

TEST(Settings, MinusZeroIsZero) { EXPECT_FALSE(std::signbit(parse_not_negative("guidance", "-0"))); }

TEST(Settings, PromptsAreUtf8TextOfLimitedLength) {
  EXPECT_EQ(refusal([] { check_prompt("prompt", std::string(10'000, 'a')); }), "accepted");
  EXPECT_EQ(refusal([] { check_prompt("prompt", std::string(10'001, 'a')); }),
            "prompt must be at most 10000 characters, got 10001");
  std::string cats;
  for (int i = 0; i < 10'000; ++i) cats += "猫";
  EXPECT_EQ(refusal([&] { check_prompt("prompt", cats); }), "accepted") << "characters count, not bytes";
  EXPECT_EQ(refusal([] { check_prompt("prompt", " \n"); }), "the prompt is empty");
  EXPECT_EQ(refusal([] { check_prompt("negative_prompt", ""); }), "accepted");
  EXPECT_EQ(refusal([] { check_prompt("prompt", "caf\xe9"); }), "prompt must be UTF-8");
  EXPECT_EQ(refusal([] { check_prompt("prompt", std::string("a\0b", 3)); }), "prompt must not hold control characters");
}

TEST(Suggest, FindsTheWordThatWasMeant) {
  constexpr std::string_view known[] = {"size", "frames", "steps", "guidance", "negative_prompt", "seed"};
  const std::pair<std::string, std::string> typed[] = {{"frame", "frames"},
                                                       {"farmes", "frames"},
                                                       {"Steps", "steps"},
                                                       {"setps", "steps"},
                                                       {"negative-prompt", "negative_prompt"},
                                                       {"negative", "negative_prompt"},
                                                       {"guidance_scale", "guidance"},
                                                       {"sed", "seed"},
                                                       {"", ""},
                                                       {"resolution", ""},
                                                       {"x", ""}};
  for (const auto& [word, meant] : typed) EXPECT_EQ(nearest_word(word, known), meant) << word;
}

TEST(Utf8, RefusesWhatIsNotUtf8) {
  for (const std::string bytes :
       {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80", "\xff"})
    EXPECT_EQ(utf8_size(bytes), 0u) << testing::PrintToString(bytes);
  EXPECT_EQ(utf8_size("a"), 1u);
  EXPECT_EQ(utf8_size("é"), 2u);
  EXPECT_EQ(utf8_size("猫"), 3u);
  EXPECT_EQ(utf8_size("\xf4\x8f\xbf\xbf"), 4u);
  EXPECT_EQ(utf8_length("né猫\xff"), 4u);
}

}  // namespace
}  // namespace wf
