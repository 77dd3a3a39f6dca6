// tests/pipeline/weights/safetensors_test.cpp: valid safetensors headers are read, and every inconsistency is refused
// with a message of its own.
#include <gtest/gtest.h>

#include "pipeline/weights/tensor_file.hpp"
#include "tests/pipeline/weights/error_message.hpp"
#include "tests/pipeline/weights/made_files.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

TensorIndex read(const std::string& file) { return read_tensor_index(std::as_bytes(std::span(file)), "x.safetensors"); }

TEST(Safetensors, ReadsNamesTypesShapesAndOffsets) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
      R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"none":{"dtype":"U8","shape":[0,7],"data_offsets":[4,4]}}  )";
  const TensorIndex index = read(made::safetensors(header, std::string(16, 'd')));
  ASSERT_EQ(index.size(), 3u);
  const TensorEntry& b = index.at("b");
  EXPECT_EQ(b.dtype, DType::bf16);
  EXPECT_EQ(b.shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(b.strides, (std::vector<std::int64_t>{3, 1}));
  EXPECT_EQ(b.offset, 8 + header.size() + 4);
  EXPECT_EQ(b.bytes, 12u);
  EXPECT_EQ(index.at("a").bytes, 4u);
  EXPECT_EQ(index.at("none").bytes, 0u);
}

TEST(Safetensors, MetadataIsReadAsTexts) {
  const auto metadata = [](const std::string& header) {
    const std::string file = made::safetensors(header, "");
    return read_metadata(std::as_bytes(std::span(file)), "x.safetensors");
  };
  EXPECT_EQ(metadata(R"({"__metadata__":{"format":"pt","config":"{\"a\": 1}"}})"),
            (std::map<std::string, std::string>{{"config", R"({"a": 1})"}, {"format", "pt"}}));
  EXPECT_TRUE(metadata("{}").empty());
  EXPECT_CONTAINS(made::environment_error([&] { metadata(R"({"__metadata__":{"a":7}})"); }),
                  "__metadata__ has a value that is not a string");
}

TEST(Safetensors, FilesOfOtherKindsHaveNoMetadata) {
  const auto metadata = [](const std::string& file, const std::string& name) {
    return read_metadata(std::as_bytes(std::span(file)), name);
  };
  EXPECT_TRUE(metadata(made::zip({{"x", "y"}}), "x.pth").empty());
  EXPECT_TRUE(metadata(R"({"seed": 1})", "x.random.json").empty());
}

TEST(Safetensors, KnowsEveryElementType) {
  for (const char* name :
       {"F64", "F32", "BF16", "F16", "F8_E4M3", "F8_E5M2", "I64", "I32", "I16", "I8", "U8", "BOOL"}) {
    const auto dtype = dtype_named(name);
    ASSERT_TRUE(dtype) << name;
    EXPECT_STREQ(to_string(*dtype), name);
    const std::string bytes = std::to_string(3 * size_of(*dtype));
    const std::string header =
        R"({"t":{"dtype":")" + std::string(name) + R"(","shape":[3],"data_offsets":[0,)" + bytes + "]}}";
    EXPECT_EQ(read(made::safetensors(header, std::string(3 * size_of(*dtype), 'd'))).at("t").dtype, *dtype);
  }
}

struct BrokenFile {
  const char* header;
  std::size_t data_bytes;
  const char* expected;  ///< A part of the error message.
};

class BrokenSafetensors : public testing::TestWithParam<BrokenFile> {};

TEST_P(BrokenSafetensors, IsRefusedByNameWithTheReason) {
  const auto& [header, data_bytes, expected] = GetParam();
  const std::string file = made::safetensors(header, std::string(data_bytes, 'd'));
  const std::string message = made::environment_error([&] { read(file); });
  EXPECT_EQ(message.rfind("x.safetensors: ", 0), 0u) << message;
  EXPECT_CONTAINS(message, expected);
}

const BrokenFile broken_files[] = {
    // not JSON, or not an object of objects
    {"", 0, "does not start with '{'"},
    {"[]", 0, "does not start with '{'"},
    {"\xEF\xBB\xBF{}", 0, "does not start with '{'"},
    {"{", 0, "header: is not JSON (byte 2)"},
    {"{}{}", 0, "header: is not JSON (byte 3)"},
    {R"({"a":1e999})", 0, "header: is not JSON: a number is out of range"},
    {"{\"\xff\":1}", 0, "header: is not JSON"},
    {R"({"a":7})", 0, "tensor a: is not described by an object"},
    {R"({"__metadata__":7})", 0, "__metadata__ is not an object"},
    {R"({"__metadata__":{"a":7}})", 0, "__metadata__ has a value that is not a string"},
    // keys twice
    {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2,
     "the key \"a\" stands twice"},
    {R"({"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1, "the key \"dtype\" stands twice"},
    // missing keys
    {R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1, "tensor a: has no dtype"},
    {R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1, "tensor a: has no shape"},
    {R"({"a":{"dtype":"U8","shape":[1]}})", 1, "tensor a: has no data_offsets"},
    // wrong values
    {R"({"a":{"dtype":"F33","shape":[1],"data_offsets":[0,1]}})", 1, "tensor a: dtype \"F33\" is not known"},
    {R"({"a":{"dtype":"F8_E8M0","shape":[1],"data_offsets":[0,1]}})", 1,
     "tensor a: dtype F8_E8M0 belongs to MXFP8, MXFP4 or NVFP4: this form is not read; use the fp16"},
    {R"({"a":{"dtype":8,"shape":[1],"data_offsets":[0,1]}})", 1, "tensor a: dtype is not a string"},
    {R"({"a":{"dtype":"U8","shape":1,"data_offsets":[0,1]}})", 1, "tensor a: shape is not a list"},
    {R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1, "shape has an item that is not a whole number"},
    {R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1, "shape has an item that is not a whole number"},
    {R"({"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}})", 1, "shape has an item that is not a whole number"},
    {R"({"a":{"dtype":"U8","shape":[true],"data_offsets":[0,1]}})", 1, "shape has an item that is not a whole number"},
    {R"({"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,1]}})", 1,
     "shape has an item that is not a whole"},
    {R"({"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,1]}})", 1,
     "shape has an item that is not a whole"},
    {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,-1]}})", 1,
     "data_offsets has an item that is not a whole number"},
    {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1, "data_offsets are not two numbers"},
    {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1]}})", 1, "data_offsets are not two numbers"},
    {R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[1,0]}})", 1, "end before they begin"},
    {R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})", 1,
     "has 17 dimensions"},
    // sizes that do not agree
    {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "4 bytes of data are not the shape [2] in F32"},
    {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,5]}})", 5, "5 bytes of data are not the shape [1] in F32"},
    {R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", 0, "4] overflows"},
    {R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})", 0,
     "0 bytes of data are not the shape"},
    {R"({"a":{"dtype":"F32","shape":[0,4611686018427387904,4],"data_offsets":[0,0]}})", 0, "4] overflows"},
    // offsets
    {R"({"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}})", 8,
     "only 69 of 70 bytes are there; a download that did not finish? Fetch the file again"},
    {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[9223372036854775806,9223372036854775807]}})", 8,
     "tensor a: 9223372036854775806 bytes before it belong to no tensor"},
    {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}})", 7,
     "tensor b: overlaps another tensor"},
    {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4,
     "tensor b: overlaps another tensor"},
    {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[6,10]}})",
     10, "tensor b: 2 bytes before it belong to no tensor"},
    {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[1,5]}})", 5, "tensor a: 1 bytes before it belong to no tensor"},
    {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 6, "2 bytes at the end belong to no tensor"},
    {"{}", 3, "3 bytes at the end belong to no tensor"},
};
INSTANTIATE_TEST_SUITE_P(Table, BrokenSafetensors, testing::ValuesIn(broken_files));

TEST(Safetensors, HeaderLengthBeyondTheFileIsRefused) {
  EXPECT_CONTAINS(made::environment_error([] { read(made::bytes_of<std::uint64_t>(3) + "{}"); }),
                  "reaches beyond the file's end");
}

TEST(Safetensors, HeaderOverTheLimitIsRefused) {
  for (const std::uint64_t length : {std::uint64_t{100'000'001}, ~std::uint64_t{0}})
    EXPECT_CONTAINS(made::environment_error([&] { read(made::bytes_of(length) + "{}"); }), "over the limit of 100 MB");
}

TEST(Safetensors, AFileShorterThanTheLengthFieldIsRefused) {
  for (const std::size_t size : {1u, 7u})
    EXPECT_CONTAINS(made::environment_error([&] { read(std::string(size, '\0')); }),
                    "ends in the middle of a safetensors header");
}

TEST(Safetensors, DeepNestingDoesNotExhaustTheStack) {
  const std::string deep = R"({"a":)" + std::string(200'000, '[');
  EXPECT_CONTAINS(made::environment_error([&] { read(made::safetensors(deep, "")); }), "is not JSON");
  EXPECT_CONTAINS(made::environment_error([&] { read(made::safetensors(deep + std::string(200'000, ']') + "}", "")); }),
                  "tensor a: is not described by an object");
}

TEST(Safetensors, ControlCharactersOfANameAreReplacedInTheMessage) {
  const std::string message = made::environment_error([] { read(made::safetensors(R"({"a\u001b[31m\n":7})", "")); });
  EXPECT_CONTAINS(message, "tensor a?[31m?: ");
}

}  // namespace
}  // namespace wf
