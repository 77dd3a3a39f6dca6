// tests/pipeline/weights/random_manifest_test.cpp: a manifest that is written is read back, and every error in one is
// refused with a message of its own.
#include "pipeline/weights/random_manifest.hpp"

#include <gtest/gtest.h>

#include "tests/pipeline/weights/error_message.hpp"

namespace wf {
namespace {

/// Reads through read_tensor_index(), which recognizes a manifest by its ending.
TensorIndex read(const std::string& text) {
  return read_tensor_index(std::as_bytes(std::span(text)), "vae.random.json");
}

TEST(RandomManifest, WhatIsWrittenIsReadBack) {
  const TensorIndex index = read(to_json({.seed = ~std::uint64_t{0},
                                          .part = "vae",
                                          .dtype = DType::bf16,
                                          .tensors = {{"b", {2, 3}, 1.0, 0.1}, {"a \"quoted\"", {}, -0.25, 0.0}}}));
  ASSERT_EQ(index.size(), 2u);
  const TensorEntry& b = index.at("b");
  EXPECT_EQ(b.dtype, DType::bf16);
  EXPECT_EQ(b.shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(b.strides, (std::vector<std::int64_t>{3, 1}));
  EXPECT_EQ(b.offset + b.bytes, 0u) << "nothing is stored in the file";
  ASSERT_TRUE(b.random);
  EXPECT_EQ(b.random->seed, stream_of(~std::uint64_t{0}, "vae", "b"));
  EXPECT_EQ(b.random->mean, 1.0);
  EXPECT_EQ(b.random->spread, 0.1);
  EXPECT_EQ(index.at("a \"quoted\"").random->mean, -0.25);
  EXPECT_TRUE(read(to_json({.part = "none"})).empty());
}

TEST(RandomManifest, EverySeedPartAndNameHasAStreamOfItsOwn) {
  EXPECT_NE(stream_of(1, "vae", "a"), stream_of(2, "vae", "a"));
  EXPECT_NE(stream_of(1, "high_noise_model", "a"), stream_of(1, "low_noise_model", "a"));
  EXPECT_NE(stream_of(1, "vae", "a"), stream_of(1, "vae", "b"));
}

/// The text of a manifest with the given fields.
std::string manifest(const std::string& tensors, const std::string& dtype = R"("F32")", const std::string& seed = "1") {
  return R"({"random_weights":1,"seed":)" + seed + R"(,"part":"vae","dtype":)" + dtype + R"(,"tensors":)" + tensors +
         "}";
}

std::string values(const std::string& shape, const std::string& mean = "0", const std::string& spread = "1") {
  return R"({"a":{"shape":)" + shape + R"(,"mean":)" + mean + R"(,"spread":)" + spread + "}}";
}

TEST(RandomManifest, TheManifestThatTheBrokenOnesStartFromIsRead) {
  EXPECT_EQ(read(manifest(values("[4]"))).size(), 1u);
}

TEST(RandomManifest, EveryBrokenOneIsRefusedWithTheReason) {
  const std::pair<std::string, const char*> broken[] = {
      {"", "is not JSON"},
      {"random", "is not JSON"},
      {"[]", "describes no random weights"},
      {"{}", "describes no random weights"},
      {R"({"random_weights":2})", "is of version 2, only 1 is read"},
      {R"({"random_weights":"1"})", "is of version \"1\", only 1 is read"},
      {R"({"random_weights":1})", "has no seed"},
      {manifest("{}", R"("F32")", "-1"), "seed is not a whole number"},
      {manifest("{}", "7"), "dtype is not a string"},
      {manifest("{}", R"("F31")"), "dtype \"F31\" is not known"},
      {manifest("{}", R"("I64")"), "dtype I64 is not F32, BF16 or F16"},
      {manifest("[]"), "tensors is not an object"},
      {manifest(R"({"a":1})"), "tensor a: is not described by an object"},
      {manifest(R"({"a":{}})"), "tensor a: has no shape"},
      {manifest(R"({"a":{"shape":[1]}})"), "tensor a: has no mean"},
      {manifest(R"({"a":{"shape":[1],"mean":0}})"), "tensor a: has no spread"},
      {manifest(R"({"a":{"shape":[1],"mean":0,"spread":1},"a":{"shape":[1],"mean":0,"spread":1}})"),
       "the key \"a\" stands twice"},
      {manifest(values("[-1]")), "tensor a: shape has an item that is not a whole number"},
      {manifest(values("[1.5]")), "tensor a: shape has an item that is not a whole number"},
      {manifest(values("7")), "tensor a: shape is not a list"},
      {manifest(values("[1048576,1048577]")), "has more than 2^40 elements"},
      {manifest(values("[4294967296,4294967296]")), "overflows"},
      {manifest(values("[1]", R"("0")")), "tensor a: mean is not a number"},
      {manifest(values("[1]", "0", "null")), "tensor a: spread is not a number"},
      {manifest(values("[1]", "0", "-0.5")), "tensor a: spread is negative"},
      {manifest(values("[1]", "0", "1e999")), "a number is out of range"},
  };
  for (const auto& [text, expected] : broken) {
    const std::string message = made::environment_error([&text = text] { read(text); });
    EXPECT_EQ(message.rfind("vae.random.json: ", 0), 0u) << message;
    EXPECT_CONTAINS(message, expected);
  }
}

}  // namespace
}  // namespace wf
