// tests/jobs/step_cache_file_test.cpp: a step cache's file is read, written and read again; whatever is wrong with one
// is told, with the file's name.
#include "jobs/step_cache_file.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

const std::string good = R"({"E": 0.05, "K": 3, "R": 0.25, "conditional": [1.0, 0.99], "unconditional": [1, 0.5]})";

/// The file's text with a part replaced.
std::string with(const std::string& part, const std::string& replacement) {
  std::string text = good;
  return text.replace(text.find(part), part.size(), replacement);
}

class StepCacheFile : public testing::Test {
 protected:
  /// What is said of a file with this text, without the file's name.
  std::string refusal_of(const std::string& text) {
    write_file(folder / "cache.json", text);
    try {
      read_step_cache(folder / "cache.json");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::input);
      const std::string what = error.what(), file = (folder / "cache.json").string() + ": ";
      EXPECT_TRUE(what.starts_with(file)) << what;
      return what.substr(std::min(file.size(), what.size()));
    }
    return "accepted";
  }
  test::TempFolder folder;
};

TEST_F(StepCacheFile, HasRuleAndTable) {
  write_file(folder / "cache.json", good);
  const StepCache cache = read_step_cache(folder / "cache.json");
  EXPECT_EQ(cache.rule, (StepCacheRule{0.05, 3, 0.25}));
  EXPECT_EQ(cache.file, (folder / "cache.json").string());
  EXPECT_EQ(cache.table, (StepCacheTable{{1, 0.99}, {1, 0.5}, {}}));
}

TEST_F(StepCacheFile, KeepsItsAbsolutePath) {
  write_file(folder / "cache.json", good);
  const Path relative = std::filesystem::relative(folder / "cache.json");
  EXPECT_EQ(read_step_cache(relative).file, (folder / "cache.json").string());
}

TEST_F(StepCacheFile, ComesBackAsItWasWritten) {
  for (const std::optional<int> high : {std::optional<int>(), std::optional(0), std::optional(3)}) {
    const StepCache written{{0.1 + 0.2, 7, 1.0 / 3}, "", StepCacheTable{{1, 1.0 / 3, 2}, {1, 0.1, 1e-9}, high}};
    write_file(folder / "cache.json", to_json(written));
    const StepCache read = read_step_cache(folder / "cache.json");
    EXPECT_EQ(read.rule, written.rule);
    EXPECT_EQ(read.table, written.table);
  }
}

TEST_F(StepCacheFile, ThatIsNoneIsRefused) {
  EXPECT_NE(refusal_of("").find("not a step cache: "), std::string::npos);
  EXPECT_NE(refusal_of(good.substr(0, good.size() - 1)).find("line 1, column"), std::string::npos);
  EXPECT_NE(refusal_of(with("0.05", "NaN")).find("line 1, column"), std::string::npos);
  EXPECT_NE(refusal_of(with("0.05", "1e999")).find("number overflow"), std::string::npos);
  EXPECT_EQ(refusal_of("[]"), "not a step cache: it has to be an object with E, K, R, conditional and unconditional");
  EXPECT_EQ(refusal_of(with(R"("K": 3, )", "")), "not a step cache: K is missing");
  EXPECT_EQ(refusal_of(with(R"("K")", R"("k")")), R"(not a step cache: unknown key "k")");
  EXPECT_EQ(refusal_of(with(R"("K": 3)", R"("K": 3, "E": 1)")), R"(not a step cache: "E" is given twice)");
}

TEST_F(StepCacheFile, WithARuleOutOfRangeIsRefused) {
  for (const std::string value : {"0", "-0.1", "\"0.05\"", "null", "[1]"})
    EXPECT_EQ(refusal_of(with("0.05", value)), "not a step cache: E must be a number above 0, got " + value);
  for (const std::string value : {"0", "-1", "2.5", "1001", "99999999999999999999", "true"})
    EXPECT_TRUE(refusal_of(with("3", value)).starts_with("not a step cache: K must be a whole number from 1 to 1000"))
        << value;
  for (const std::string value : {"-0.01", "1.01", "\"\""})
    EXPECT_EQ(refusal_of(with("0.25", value)), "not a step cache: R must be a number from 0 to 1, got " + value);
  for (const std::string value : {"0", "1", "0.0"}) EXPECT_EQ(refusal_of(with("0.25", value)), "accepted") << value;
}

TEST_F(StepCacheFile, WithRatiosThatAreNoneIsRefused) {
  for (const std::string value : {"0", "-0.99", "\"0.99\"", "null"})
    EXPECT_EQ(refusal_of(with("0.99", value)),
              "not a step cache: conditional[1] must be a number above 0, got " + value);
  EXPECT_EQ(refusal_of(with("[1, ", "[0.9, ")), "not a step cache: unconditional[0] must be 1, got 0.9");
  EXPECT_EQ(refusal_of(with("[1, 0.5]", "[]")),
            "not a step cache: unconditional must be a list with a ratio for each step");
  EXPECT_EQ(refusal_of(with("[1, 0.5]", "1")),
            "not a step cache: unconditional must be a list with a ratio for each step");
  EXPECT_EQ(refusal_of(with("[1, 0.5]", "[1]")), "not a step cache: conditional has 2 ratios, and unconditional 1");
}

TEST_F(StepCacheFile, WithMoreHighNoiseStepsThanRatiosIsRefused) {
  const auto with_steps = [](const std::string& steps) {
    return with("{\"E\"", "{\"high_noise_steps\": " + steps + ", \"E\"");
  };
  for (const std::string steps : {"0", "1", "2"}) EXPECT_EQ(refusal_of(with_steps(steps)), "accepted");
  for (const std::string steps : {"3", "-1", "1.5", "\"1\""})
    EXPECT_EQ(
        refusal_of(with_steps(steps)),
        "not a step cache: high_noise_steps must be a whole number from 0 to 2, the number of ratios, got " + steps);
}

TEST_F(StepCacheFile, ThatIsNotThereIsAnErrorOfInput) {
  try {
    read_step_cache(folder / "none.json");
    FAIL() << "it was there";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    EXPECT_TRUE(std::string(error.what()).starts_with((folder / "none.json").string() + ": ")) << error.what();
  }
}

}  // namespace
}  // namespace wf
