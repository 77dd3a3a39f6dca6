// tests/jobs/model_source_test.cpp: what a ModelSource says of itself, and that it arrives as JSON as it was sent.
#include "jobs/model_source.hpp"

#include <gtest/gtest.h>

#include "jobs/model_json.hpp"

namespace wf {
namespace {

ModelSource all_parts() {
  return {.from = "/f",
          .high = "/h",
          .low = "/l",
          .text = "/t",
          .vae = "/v",
          .tokenizer = "/k",
          .loras = {{"/a", "/b", 0.1 + 0.2, -3}, {"/c", "/c", 1, 1}, {"", "/d", 1, 1e-7}}};
}

ModelSource through_json(const ModelSource& source) { return model_source_from(json_of(source)); }

TEST(ModelSource, ComesBackFromJson) {
  EXPECT_EQ(through_json(all_parts()), all_parts());
  EXPECT_EQ(through_json({}), ModelSource{});
  ModelSource loras_alone;
  loras_alone.loras = all_parts().loras;
  EXPECT_EQ(through_json(loras_alone), loras_alone);
}

TEST(ModelSource, IsATextInJsonWhereItIsAFolderAlone) {
  EXPECT_EQ(json_of(ModelSource{.from = "/f"}), "/f") << "as run.json and --dry-run had it before there were parts";
  EXPECT_EQ(model_source_from("/f"), ModelSource{.from = "/f"});
  EXPECT_EQ(json_of(ModelSource{.from = "/f", .vae = "/v"}), (nlohmann::ordered_json{{"from", "/f"}, {"vae", "/v"}}));
}

TEST(ModelSource, KeepsPathsThatAreNotUtf8InMessagePack) {
  ModelSource odd = all_parts();
  odd.vae = "/\xff\xc3(", odd.loras[0].high = "/\xe9.safetensors";
  std::string bytes;
  nlohmann::ordered_json::to_msgpack(json_of(odd), bytes);
  EXPECT_EQ(model_source_from(nlohmann::ordered_json::from_msgpack(bytes)), odd);
}

TEST(ModelSource, BecomesAbsoluteInAllItsPathsButTheNameOfARandomModel) {
  const Path here = std::filesystem::current_path();
  ModelSource source{.from = "random:tiny", .vae = "v", .tokenizer = "/k", .loras = {{"a", ""}}};
  const ModelSource whole = absolute(source);
  EXPECT_EQ(whole,
            (ModelSource{.from = "random:tiny", .vae = here / "v", .tokenizer = "/k", .loras = {{here / "a", ""}}}));
}

TEST(ModelSource, LacksNothingWithAFolderAndElseItsParts) {
  using Keys = std::vector<std::string_view>;
  EXPECT_EQ(missing_parts({.from = "/f"}), Keys{});
  EXPECT_EQ(missing_parts({.high = "/h", .vae = "/v"}), (Keys{"low", "text"}));
  EXPECT_EQ(missing_parts({.high = "/h", .low = "/l", .text = "/t", .vae = "/v"}), Keys{}) << "no tokenizer is fine";
}

TEST(ModelSource, IsDescribedByWhatItNames) {
  EXPECT_EQ(describe(ModelSource{.from = "/f"}), "/f");
  EXPECT_EQ(describe(all_parts()),
            "/f, high /h, low /l, text /t, vae /v, tokenizer /k, lora-high /a=0.30000000000000004, lora-low /b=-3, "
            "lora /c, lora-low /d=1e-07");
}

}  // namespace
}  // namespace wf
