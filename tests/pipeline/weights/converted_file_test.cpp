// tests/pipeline/weights/converted_file_test.cpp: converted weights are read as they were written, or damage is found.
#include "pipeline/weights/converted_file.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/pipeline/weights/error_message.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

const std::map<std::string, at::Tensor>& tensors() {
  static const std::map<std::string, at::Tensor> made{
      {"0000", at::arange(3000).view({3, 1000}).to(at::kFloat)},  // two blocks and a part of one
      {"0001", at::arange(9000).to(at::kBFloat16)},
      {"0002", at::empty({0, 4})},
      {"0003", (at::arange(5000) % 100).to(at::kFloat8_e4m3fn)}};
  return made;
}

Path write_tensors(const test::TempFolder& folder) {
  const Path file = folder / "file.safetensors";
  ConvertedWriter writer(file,
                         {{"0000", DType::f32, {3, 1000}},
                          {"0001", DType::bf16, {9000}},
                          {"0002", DType::f32, {0, 4}},
                          {"0003", DType::f8_e4m3, {5000}}},
                         {{"key", "value"}});
  for (const auto& [name, tensor] : tensors()) writer.write(name, tensor);
  writer.finish();
  return file;
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         at::equal(a.flatten().view(at::kByte), b.flatten().view(at::kByte));
}

/// What is found wrong when the file is opened, or when all of it is read.
std::string damage_of(const Path& path) {
  try {
    const ConvertedFile file(path);
    for (const auto& [name, tensor] : tensors()) file.tensors().load(name, tensor.scalar_type(), at::kCPU);
    return file.damage();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::environment) << error.what();
    return error.what();
  }
}

TEST(ConvertedFile, IsReadAsItWasWritten) {
  const test::TempFolder folder;
  const ConvertedFile file(write_tensors(folder));
  for (const auto& [name, tensor] : tensors())
    EXPECT_TRUE(same_bits(file.tensors().load(name, tensor.scalar_type(), at::kCPU, tensor.sizes()), tensor)) << name;
  EXPECT_EQ(file.damage(), "");
  EXPECT_EQ(file.tensors().metadata().at("key"), "value");
}

/// Every 101st bit, so that some are in each part: the header's length and text, each tensor, the checksums.
TEST(ConvertedFile, AFlippedBitIsFoundWhereverItIs) {
  const test::TempFolder folder;
  const Path path = write_tensors(folder);
  const std::string whole = read_file(path);
  ASSERT_EQ(damage_of(path), "");
  for (std::size_t bit = 0; bit < whole.size() * 8; bit += 101) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    std::ofstream(path, std::ios::binary) << flipped;
    EXPECT_CONTAINS(damage_of(path), path.string()) << "bit " << bit;
  }
}

TEST(ConvertedFile, AFileThatWasCutOrGrewIsNeverOpened) {
  const test::TempFolder folder;
  const Path path = write_tensors(folder);
  const std::string whole = read_file(path);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{5}, std::size_t{100}, whole.size() / 2, whole.size() - 1, whole.size() + 1}) {
    std::filesystem::resize_file(path, size);
    EXPECT_CONTAINS(made::environment_error([&] { const ConvertedFile file(path); }), path.string()) << size;
    std::ofstream(path, std::ios::binary) << whole;
  }
}

TEST(ConvertedFile, AFileThatBecomesShorterWhileItIsReadIsDamaged) {
  const test::TempFolder folder;
  const Path path = write_tensors(folder);
  const ConvertedFile file(path);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 5000);
  for (const auto& [name, tensor] : tensors()) file.tensors().load(name, tensor.scalar_type(), at::kCPU);
  EXPECT_CONTAINS(file.damage(), "has become shorter");
}

TEST(ConvertedFile, AnyOtherSafetensorsFileIsRefused) {
  const test::TempFolder folder;
  write_safetensors(folder / "a.safetensors", {{"w", at::ones({3})}});
  EXPECT_CONTAINS(made::environment_error([&] { const ConvertedFile file(folder / "a.safetensors"); }), "no checksums");
  write_safetensors(folder / "b.safetensors", {{"w", at::ones({3})}, {"checksums", at::zeros({1}, at::kInt)}});
  EXPECT_CONTAINS(made::environment_error([&] { const ConvertedFile file(folder / "b.safetensors"); }),
                  "checksums of other tensors");
}

}  // namespace
}  // namespace wf
