// tests/pipeline/weights/checkpoint_test.cpp: values, dtypes, unaligned and strided data, shards and errors of
// checkpoints, and the writer of .safetensors files.
#include "pipeline/weights/checkpoint.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "base/sha256.hpp"
#include "tests/pipeline/weights/error_message.hpp"
#include "tests/pipeline/weights/made_files.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using made::environment_error;
using test::TempFolder;

const Path golden = Path(WF_TEST_DATA) / "golden";

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         std::memcmp(a.contiguous().data_ptr(), b.contiguous().data_ptr(), a.nbytes()) == 0;
}

std::string checksum(const Path& checkpoint, const std::string& name) {
  const at::Tensor values = Checkpoint(checkpoint).load(name, at::kFloat, at::kCPU);
  return Sha256().update(values.data_ptr(), values.nbytes()).hex();
}

// SHA-256 of the values as float32, computed with Python's torch.load and safetensors on the same files.
TEST(Checkpoint, TheGoldenCheckpointHasTheNumbersThatPythonReads) {
  const Path high = golden / "tiny/high_noise_model", text = golden / "tiny/models_t5_umt5-xxl-enc-bf16.pth",
             vae = golden / "tiny/Wan2.1_VAE.pth";
  EXPECT_EQ(checksum(high, "blocks.0.cross_attn.k.bias"),
            "1ab45914ffa7e987f3da451820ee20cdb89fcb9045909eb9f007d94610f43efc");
  EXPECT_EQ(checksum(high, "blocks.1.ffn.2.bias"), "52f6e0f7aee4b06f39ee16b9895d2a5a8975e0262f0bbdef3d4e37597ce0bdcf");
  EXPECT_EQ(checksum(text, "token_embedding.weight"),
            "af526e425229f10c740ff211e7d78f55962712d4fe40a875c47ba11ea98de7cf");
  EXPECT_EQ(checksum(text, "blocks.0.attn.k.weight"),
            "11ada4c1f88e7d7df92e66ac7d927cf4f1663c0314999d62dc01e35bea5e1fbc");
  EXPECT_EQ(checksum(vae, "decoder.upsamples.4.residual.6.weight"),
            "79e2f8d6f3416c4dbefe01d674bda3bdca60fb172da1c8d9828564b80bd3ceab");
  EXPECT_EQ(checksum(vae, "encoder.middle.2.residual.6.weight"),
            "bc80826c2d08778221f23e85da1d32f618695a71f98189474eed8eedbc194c28");
}

TEST(Checkpoint, ShardsAreOneCheckpoint) {
  const Checkpoint high(golden / "tiny/high_noise_model");
  const std::vector<std::string> names = high.names();
  EXPECT_EQ(names.size(), 69u);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_TRUE(high.has("head.modulation"));
  EXPECT_FALSE(high.has("head.modulations"));
  EXPECT_EQ(high.file_of("head.modulation").filename(), "diffusion_pytorch_model-00003-of-00003.safetensors");
  EXPECT_EQ(high.file_of("patch_embedding.weight").filename(), "diffusion_pytorch_model-00001-of-00003.safetensors");
}

/// Floats of every class: halfway cases, subnormals, infinities, NaN.
at::Tensor values_of_every_class() {
  at::manual_seed(7);
  const at::Tensor special = at::tensor({0.0, -0.0, 1.0 + 1.0 / 256, 1.0 + 3.0 / 256, 1e-40, 6e-8, 448.0, 464.0,
                                         65504.0, 65520.0, 1e38, HUGE_VAL, -HUGE_VAL, std::nan("")},
                                        at::kDouble);
  return at::cat({special, at::randn({1000}, at::kDouble) * 30});
}

TEST(Checkpoint, ConversionsAreThoseOfATen) {
  const TempFolder folder;
  const std::vector<at::ScalarType> floats = {at::kDouble, at::kFloat,         at::kBFloat16,
                                              at::kHalf,   at::kFloat8_e4m3fn, at::kFloat8_e5m2};
  std::map<std::string, at::Tensor> tensors;
  for (const at::ScalarType type : floats) tensors[at::toString(type)] = values_of_every_class().to(type);
  for (const at::ScalarType type : {at::kLong, at::kInt, at::kShort, at::kChar, at::kByte, at::kBool})
    tensors[at::toString(type)] = at::arange(100).to(type);
  write_safetensors(folder.path() / "all.safetensors", tensors);
  const Checkpoint checkpoint(folder.path() / "all.safetensors");
  ASSERT_EQ(checkpoint.names().size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    EXPECT_TRUE(same_bits(checkpoint.load(name, tensor.scalar_type(), at::kCPU), tensor)) << name << " as it is";
    for (const at::ScalarType target : {at::kFloat, at::kBFloat16, at::kHalf})
      EXPECT_TRUE(same_bits(checkpoint.load(name, target, at::kCPU), tensor.to(target))) << name << " as " << target;
  }
}

TEST(Checkpoint, ATensorCanBeLoadedAgainAndIntoPartOfAnother) {
  const TempFolder folder;
  const at::Tensor big = at::arange(5'000'001, at::kFloat).reshape({3, 1666667});
  write_safetensors(folder.path() / "big.safetensors", {{"big", big}, {"next", at::ones({2})}});
  const Checkpoint checkpoint(folder.path());
  EXPECT_EQ(checkpoint.bytes(), 4u * 5'000'003u);
  EXPECT_TRUE(same_bits(checkpoint.load("big", at::kFloat, at::kCPU, {3, 1666667}), big));
  EXPECT_TRUE(same_bits(checkpoint.load("big", at::kBFloat16, at::kCPU), big.to(at::kBFloat16)));
  const at::Tensor joined = at::zeros({5, 1666667});
  checkpoint.load_into("big", joined.narrow(0, 1, 3));
  EXPECT_TRUE(same_bits(joined, at::cat({at::zeros({1, 1666667}), big, at::zeros({1, 1666667})})));
  EXPECT_CONTAINS(environment_error([&] { checkpoint.load_into("big", at::empty({3})); }),
                  "has shape [3, 1666667], not [3]");
}

TEST(Checkpoint, DataMayBeUnaligned) {
  const TempFolder folder;
  for (int padding = 0; padding < 8; ++padding) {
    const std::string header = R"({"w":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}})" + std::string(padding, ' ');
    const Path file =
        folder.write("w.safetensors", made::safetensors(header, made::bytes_of(1.5) + made::bytes_of(-2.5)));
    EXPECT_TRUE(same_bits(Checkpoint(file).load("w", at::kFloat, at::kCPU), at::tensor({1.5f, -2.5f}))) << padding;
  }
}

TEST(Checkpoint, StridesOfAPthFileAreFollowed) {
  const TempFolder folder;
  const Path file = folder.write(
      "w.pth",
      made::pth(made::dictionary({{"transposed", made::tensor({.shape = {4, 3}, .strides = {1, 4}})},
                                  {"inner", made::tensor({.offset = 5, .shape = {2, 2}, .strides = {4, 1}})},
                                  {"one_row", made::tensor({.offset = 4, .shape = {1, 4}, .strides = {99, 1}})},
                                  {"scalar", made::tensor({.offset = 3, .shape = {}, .strides = {}})},
                                  {"none", made::tensor({.shape = {0, 3}, .strides = {3, 1}})}})));
  const Checkpoint checkpoint(file);
  const at::Tensor whole = at::arange(12, at::kFloat).reshape({3, 4});
  const auto load = [&](const std::string& name) { return checkpoint.load(name, at::kFloat, at::kCPU); };
  EXPECT_TRUE(at::equal(load("transposed"), whole.t()));
  EXPECT_TRUE(load("transposed").is_contiguous());
  EXPECT_TRUE(at::equal(load("inner"), whole.narrow(0, 1, 2).narrow(1, 1, 2)));
  EXPECT_TRUE(at::equal(load("one_row"), whole.narrow(0, 1, 1)));
  EXPECT_EQ(load("scalar").item<float>(), 3.f);
  EXPECT_EQ(load("none").sizes(), at::IntArrayRef({0, 3}));
}

TEST(Checkpoint, AMissingOrMisshapenTensorIsNamedWithItsFile) {
  const Path folder = golden / "tiny/high_noise_model";
  const Checkpoint checkpoint(folder);
  EXPECT_EQ(environment_error([&] { checkpoint.load("blocks.2.modulation", at::kFloat, at::kCPU); }),
            folder.string() + ": tensor blocks.2.modulation: is missing");
  EXPECT_EQ(environment_error([&] {
              checkpoint.load("head.modulation", at::kFloat, at::kCPU, {1, 2, 5120});
            }),
            (folder / "diffusion_pytorch_model-00003-of-00003.safetensors").string() +
                ": tensor head.modulation: has shape [1, 2, 96], not [1, 2, 5120]");
}

TEST(Checkpoint, ATruncatedFileIsNamedWithWhatIsThereOfIt) {
  const TempFolder folder;
  const std::string whole =
      read_file(golden / "tiny/high_noise_model/diffusion_pytorch_model-00001-of-00003.safetensors");
  const Path file = folder.write("cut.safetensors", whole.substr(0, whole.size() - 1000));
  EXPECT_EQ(environment_error([&] { Checkpoint{file}; }),
            file.string() + ": only " + std::to_string(whole.size() - 1000) + " of " + std::to_string(whole.size()) +
                " bytes are there; a download that did not finish? Fetch the file again");
}

// --- shards

std::string one_tensor(const std::string& name) {
  return made::safetensors(R"({")" + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "d");
}

std::string shard_error(const std::string& index, const std::map<std::string, std::string>& files) {
  const TempFolder folder;
  if (!index.empty()) folder.write("m.safetensors.index.json", index);
  for (const auto& [name, content] : files) folder.write(name, content);
  return environment_error([&] { Checkpoint{folder.path()}; });
}

TEST(Checkpoint, EveryErrorInAShardIndexIsRefusedWithTheReason) {
  const std::string both = R"({"weight_map":{"x":"1.safetensors","y":"2.safetensors"}})", x = one_tensor("x"),
                    y = one_tensor("y");
  EXPECT_CONTAINS(shard_error(both, {{"1.safetensors", x}}), "2.safetensors: cannot be opened");
  EXPECT_CONTAINS(shard_error(both, {{"1.safetensors", x}, {"2.safetensors", x}}),
                  "2.safetensors: tensor x: is also in");
  EXPECT_CONTAINS(shard_error(both, {{"1.safetensors", x}, {"2.safetensors", one_tensor("z")}}),
                  "2.safetensors: tensor y: is missing, though");
  EXPECT_CONTAINS(shard_error(both, {{"1.safetensors", y}, {"2.safetensors", x}}),
                  "1.safetensors: tensor x: is missing, though");
  EXPECT_CONTAINS(shard_error(R"({"weight_map":{"x":"../1.safetensors"}})", {}),
                  "tensor x is not mapped to a plain file name");
  EXPECT_CONTAINS(shard_error(R"({"weight_map":{"x":"/etc/passwd"}})", {}),
                  "tensor x is not mapped to a plain file name");
  EXPECT_CONTAINS(shard_error(R"({"weight_map":{"x":7}})", {}), "tensor x is not mapped to a plain file name");
  EXPECT_CONTAINS(shard_error(R"({"weight_map":{"x":"1.safetensors","x":"2.safetensors"}})", {}),
                  "the key \"x\" stands twice");
  EXPECT_CONTAINS(shard_error("{}", {}), "has no weight_map");
  EXPECT_CONTAINS(shard_error("[", {}), "is not JSON");
  EXPECT_CONTAINS(shard_error("", {{"1.safetensors", x}, {"2.safetensors", y}}), "several .safetensors files but no");
  EXPECT_CONTAINS(shard_error("", {}), "holds no .safetensors file");
  EXPECT_CONTAINS(shard_error("", {{"1.random.json", "{}"}, {"2.random.json", "{}"}}), "several .json files but no");
  EXPECT_CONTAINS(shard_error(both, {{"n.safetensors.index.json", both}}), "several *.safetensors.index.json");
}

TEST(Checkpoint, AMissingPathIsNamed) {
  EXPECT_CONTAINS(environment_error([] { Checkpoint{"/no/such/place"}; }), "/no/such/place: no such file or folder");
}

// --- writing

TEST(WriteSafetensors, DataIsAlignedAndNoOtherFileIsLeft) {
  const TempFolder folder;
  const Path file = folder.path() / "w.safetensors";
  write_safetensors(file, {{"a", at::ones({3}, at::kByte)},
                           {"b", at::ones({3}, at::kDouble)},
                           {"c", at::ones({3}, at::kBFloat16)},
                           {"d", at::arange(6).reshape({2, 3}).t()},
                           {"e", at::empty({0})}});
  const Checkpoint checkpoint(file);
  for (const std::string& name : checkpoint.names())
    EXPECT_EQ(checkpoint.entry(name).offset % size_of(checkpoint.entry(name).dtype), 0u) << name;
  EXPECT_TRUE(at::equal(checkpoint.load("d", at::kLong, at::kCPU), at::arange(6).reshape({2, 3}).t()));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(WriteSafetensors, AFailureLeavesNothingBehind) {
  const TempFolder folder;
  inject_file_faults([](FileStep step, const Path&) { return step == FileStep::rename ? ENOSPC : 0; });
  EXPECT_THROW(write_safetensors(folder.path() / "w.safetensors", {{"a", at::ones({3})}}), Error);
  inject_file_faults({});
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_THROW(write_safetensors(folder.path() / "no/such/w.safetensors", {{"a", at::ones({3})}}), Error);
}

}  // namespace
}  // namespace wf
