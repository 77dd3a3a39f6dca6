// tests/pipeline/weights/pth_test.cpp: files of torch.save, that is stored zips whose pickle may only describe tensors.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "pipeline/weights/tensor_file.hpp"
#include "tests/pipeline/weights/error_message.hpp"
#include "tests/pipeline/weights/made_files.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using made::dictionary;
using made::environment_error;
using made::global;
using made::integer;
using made::pth;
using made::tensor;
using made::text;
using made::tuple;

TensorIndex read(const std::string& file) { return read_tensor_index(std::as_bytes(std::span(file)), "x.pth"); }
TensorIndex read_pickle_in_zip(const std::string& pickle) { return read(pth(pickle)); }
std::string refusal(const std::string& pickle) {
  return environment_error([&] { read_pickle_in_zip(pickle); });
}

float first_float(const std::string& file, const TensorEntry& entry) {
  float value = 0;
  std::memcpy(&value, file.data() + entry.offset, sizeof value);
  return value;
}

TEST(Pth, ReadsAFlatDictionary) {
  for (const bool descriptors : {true, false}) {
    const std::string file = pth(dictionary({{"w", tensor({})}}), "little", descriptors);
    const TensorEntry entry = read(file).at("w");
    EXPECT_EQ(entry.dtype, DType::f32);
    EXPECT_EQ(entry.shape, (std::vector<std::int64_t>{3, 4}));
    EXPECT_EQ(entry.bytes, 48u);
    EXPECT_EQ(file.substr(entry.offset, 48), file.substr(file.find(made::bytes_of(0.f) + made::bytes_of(1.f)), 48));
  }
}

TEST(Pth, TensorsMaySharePartsOfAStorageInAnyOrder) {
  const std::string file = pth(dictionary({{"transposed", tensor({.shape = {4, 3}, .strides = {1, 4}})},
                                           {"column", tensor({.offset = 2, .shape = {3}, .strides = {4}})},
                                           {"scalar", tensor({.offset = 11, .shape = {}, .strides = {}})},
                                           {"empty", tensor({.offset = 12, .shape = {0, 5}, .strides = {5, 1}})}}));
  const TensorIndex index = read(file);
  EXPECT_EQ(index.at("transposed").bytes, 48u);
  EXPECT_EQ(index.at("column").bytes, 9 * sizeof(float)) << "from element 2 to element 10";
  EXPECT_EQ(first_float(file, index.at("column")), 2.f);
  EXPECT_EQ(first_float(file, index.at("scalar")), 11.f);
  EXPECT_EQ(index.at("empty").bytes, 0u);
}

TEST(Pth, AnOrderedDictWithMetadataIsADictionaryToo) {
  const std::string state = "}" + text("_metadata") + global("collections", "OrderedDict") + ")Rs";
  const std::string pickle =
      "\x80\x02" + global("collections", "OrderedDict") + ")Rq\x01(" + text("w") + tensor({}) + "u" + state + "b.";
  EXPECT_EQ(read_pickle_in_zip(pickle).size(), 1u);
}

TEST(Pth, ReadsProtocolFour) {
  const auto named = [](const std::string& module, const std::string& name) {
    return "\x8c" + std::string(1, static_cast<char>(module.size())) + module + "\x94\x8c" +
           std::string(1, static_cast<char>(name.size())) + name + "\x94\x93\x94";
  };
  std::string made_tensor = tensor({});
  const std::string old_name = global("torch._utils", "_rebuild_tensor_v2");
  made_tensor.replace(made_tensor.find(old_name), old_name.size(), named("torch._utils", "_rebuild_tensor_v2"));
  const std::string body = "}\x94(" + text("w") + made_tensor + "u.";
  EXPECT_EQ(read_pickle_in_zip("\x80\x04\x95" + made::bytes_of<std::uint64_t>(body.size()) + body).size(), 1u);
}

TEST(Pth, OsSystemIsRefusedByName) {
  const std::string attack = "\x80\x02" + global("os", "system") + tuple(text("touch /tmp/owned")) + "R.";
  EXPECT_EQ(refusal(attack),
            "x.pth: the pickle wants os.system, which is not a tensor's part: refused, nothing was executed");
}

TEST(Pth, EveryOpcodeRefusesAGlobalThatIsNotAllowed) {
  const std::string stack_global = "\x80\x04" + text("builtins") + text("eval") + "\x93.";
  EXPECT_CONTAINS(refusal(stack_global), "wants builtins.eval, which is not a tensor's part");
  EXPECT_CONTAINS(refusal("\x80\x02(" + text("ls") + "iposix\nsystem\n."),
                  "wants posix.system, which is not a tensor's part");
  EXPECT_CONTAINS(refusal("\x80\x02" + global("torch", "load") + "."), "wants torch.load");
  EXPECT_CONTAINS(refusal("\x80\x02" + global("torch.FloatStorage", "__class__") + "."),
                  "wants torch.FloatStorage.__class__");
  EXPECT_CONTAINS(refusal("\x80\x02" + global("torch._utils", "_rebuild_parameter") + "."),
                  "wants torch._utils._rebuild_parameter");
  EXPECT_CONTAINS(refusal("\x80\x02" + global("o\x1bs", "system") + "."), "wants o?s.system");
}

TEST(Pth, OpcodesThatInstantiateClassesAreRefused) {
  const std::string ordered = global("collections", "OrderedDict");
  EXPECT_CONTAINS(refusal("\x80\x02" + ordered + ")\x81."), "uses opcode 129");
  EXPECT_CONTAINS(refusal("\x80\x02(" + ordered + "o."), "uses opcode 111");
  EXPECT_CONTAINS(refusal("\x80\x02(icollections\nOrderedDict\n."), "instantiates a class");
  EXPECT_CONTAINS(refusal("\x80\x02\x82\x01."), "uses opcode 130");
}

struct BrokenPickle {
  std::string pickle;
  const char* expected;  ///< A part of the error message.
};

std::vector<BrokenPickle> broken_pickles() {
  const auto with = [](const made::PickledTensor& wrong) { return dictionary({{"w", tensor(wrong)}}); };
  const std::int64_t big = std::int64_t{1} << 62;
  return {
      {"\x80\x02].", "holds a list, not a dictionary of tensors"},
      {dictionary({{"epoch", integer(3)}}), "tensor epoch: is a whole number; only a flat dictionary"},
      {dictionary({{"state_dict", "}"}}), "tensor state_dict: is a dictionary; only a flat dictionary"},
      {dictionary({{"w", tensor({})}, {"w", tensor({})}}), "tensor w: is there twice"},
      {"\x80\x02}" + integer(1) + tensor({}) + "s.", "a key is a whole number, not a tensor's name"},
      {"\x80\x07}.", "has protocol 7, not 2 to 5"},
      {"\x80\x02}", "x.pth: ends in the middle of the pickle"},
      {"\x80\x02}u.", "goes back to a mark that is not there"},
      {"\x80\x02}}.", "leaves more than one object"},
      {"\x80\x02.", "takes an object that is not there"},
      {"\x80\x02h\x05.", "recalls what it never remembered"},
      {"\x80\x02}(" + text("w") + "u.", "gives a dictionary a key without a value"},
      {"\x80\x02)" + text("w") + "a.", "adds items to a tuple"},
      {"\x80\x02)}b.", "sets the state of a tuple"},
      {"\x80\x02" + text("f") + ")R.", "calls what is no function"},
      {"\x80\x02X\xff\xff\xff\xff.", "ends in the middle of the pickle"},
      {"\x80\x04\x95" + made::bytes_of<std::uint64_t>(1000) + "}.", "has a frame beyond its end"},
      {"\x80\x02\x8a\x09" + std::string(9, '\1') + ".", "has a number of more than 64 bits"},
      {with({.storage = "FloatStorage", .key = "7"}), "tensor w: its storage data/7 is not in the zip"},
      {with({.key = "../byteorder"}), "tensor w: its storage data/../byteorder is not in the zip"},
      {with({.elements = 13}), "tensor w: its storage has 48 bytes, not 13 of F32"},
      {with({.storage = "DoubleStorage"}), "tensor w: its storage has 48 bytes, not 12 of F64"},
      {with({.offset = 1}), "tensor w: reaches beyond its storage"},
      {with({.offset = -1}), "tensor w: has a size, stride or offset that is no whole number"},
      {with({.offset = big}), "tensor w: reaches beyond its storage"},
      {with({.shape = {4, 4}}), "tensor w: its shape [4, 4] is more than its storage holds"},
      {with({.shape = {1000000000}, .strides = {0}}),
       "tensor w: its shape [1000000000] is more than its storage holds"},
      {with({.shape = {big, 4}}), "tensor w: its shape [4611686018427387904, 4] overflows"},
      {with({.shape = {2, 2}, .strides = {big, big}}), "tensor w: reaches beyond its storage"},
      {with({.shape = {3}, .strides = {big}}), "tensor w: reaches beyond its storage"},
      {with({.shape = {3, 4}, .strides = {-4, 1}}), "tensor w: has a size, stride or offset that is no whole number"},
      {with({.shape = {3}}), "tensor w: its shape and strides do not fit each other"},
      {with({.shape = std::vector<std::int64_t>(17, 1)}), "tensor w: has no shape of at most 16 dimensions"},
      {dictionary({{"w", global("torch._utils", "_rebuild_tensor_v2") + ")R"}}), "tensor w: is not made the way"},
      {dictionary({{"w", global("torch", "FloatStorage") + ")R"}}), "tensor w: is not made the way"},
  };
}

TEST(Pth, EveryBrokenPickleIsRefusedWithTheReason) {
  for (const auto& [pickle, expected] : broken_pickles()) {
    SCOPED_TRACE(expected);
    EXPECT_CONTAINS(refusal(pickle), expected);
  }
}

TEST(Pth, APickleCannotGrowBeyondItsLimits) {
  const auto repeated = [](const std::string& what, int times) {
    std::string pickle = "\x80\x02";
    for (int i = 0; i < times; ++i) pickle += what;
    return pickle + ".";
  };
  EXPECT_CONTAINS(refusal(repeated("}", 1'000'001)), "makes more than a million objects");
  EXPECT_CONTAINS(refusal("\x80\x02}" + repeated("2", 1'000'001)), "makes more than a million objects");
  EXPECT_CONTAINS(refusal(repeated("(", 1'000'001)), "makes more than a million objects");
  EXPECT_CONTAINS(refusal("\x80\x02}" + repeated("\x94", 1'000'001)), "makes more than a million objects");
  EXPECT_CONTAINS(refusal(std::string((16 << 20) + 1, '}')), "is over the limit of 16 MiB");
}

TEST(Pth, ACycleOfObjectsEndsAndLeaksNothing) {
  EXPECT_CONTAINS(refusal("\x80\x02}q\x01" + text("self") + "h\x01s."), "tensor self: is a dictionary");
}

// --- the zip around it

std::string good_file() { return pth(dictionary({{"w", tensor({})}})); }
std::string zip_refusal(const std::string& file) {
  return environment_error([&] { read(file); });
}
/// `file` with `bytes` written at `distance` after the beginning of its last `mark`.
std::string changed(std::string file, const std::string& mark, std::size_t distance, const std::string& bytes) {
  return file.replace(file.rfind(mark) + distance, bytes.size(), bytes);
}

TEST(PthZip, EveryTruncationIsRefused) {
  const std::string file = good_file();
  ASSERT_EQ(read(file).size(), 1u);
  for (std::size_t size = 0; size < file.size(); ++size) EXPECT_NE(zip_refusal(file.substr(0, size)), "") << size;
}

TEST(PthZip, EveryErrorInADirectoryIsRefusedWithTheReason) {
  const std::string file = good_file(), central = "PK\1\2", local = "PK\3\4", end64 = "PK\6\6";
  const auto number16 = [](std::uint16_t value) { return made::bytes_of(value); };
  const auto number32 = [](std::uint32_t value) { return made::bytes_of(value); };
  EXPECT_CONTAINS(zip_refusal(changed(file, central, 8, number16(9))), "zip entry model/data/0: is encrypted");
  EXPECT_CONTAINS(zip_refusal(changed(file, central, 10, number16(8))), "zip entry model/data/0: is compressed");
  EXPECT_CONTAINS(zip_refusal(changed(file, central, 24, number32(47))), "zip entry model/data/0: is compressed");
  EXPECT_CONTAINS(zip_refusal(changed(file, central, 20, number32(44) + number32(44))), "has no data descriptor");
  EXPECT_CONTAINS(zip_refusal(changed(file, central, 20, number32(1 << 30) + number32(1 << 30))),
                  "reaches into the zip directory");
  EXPECT_CONTAINS(zip_refusal(changed(file, central, 42, number32(0))), "its header has another name");
  EXPECT_CONTAINS(zip_refusal(changed(file, central, 42, number32(1))), "has no header where the directory says");
  EXPECT_CONTAINS(zip_refusal(changed(file, central, 42, number32(1 << 30))), "reaches beyond the file's end");
  EXPECT_CONTAINS(zip_refusal(changed(file, local, 8, number16(8))), "its header names another compression");
  EXPECT_CONTAINS(zip_refusal(changed(file, "PK\7\x8", 8, number32(3))), "its data descriptor has another size");
  EXPECT_CONTAINS(zip_refusal(changed(file, end64, 32, made::bytes_of<std::uint64_t>(4))),
                  "ends in the middle of the zip directory");
  EXPECT_CONTAINS(zip_refusal(changed(file, end64, 32, made::bytes_of<std::uint64_t>(2))), "holds more than it counts");
  EXPECT_CONTAINS(zip_refusal(changed(file, end64, 48, made::bytes_of<std::uint64_t>(1))),
                  "is not where the end record says");
  EXPECT_CONTAINS(zip_refusal(changed(file, "PK\6\7", 8, made::bytes_of<std::uint64_t>(1))),
                  "locator points to no end record");
  EXPECT_CONTAINS(zip_refusal(changed(pth(dictionary({}), "little", false), local, 18, number32(3))),
                  "another size than the directory");
}

TEST(PthZip, WholeFilesOfTheWrongKindAreRefused) {
  const std::string pickle = dictionary({});
  EXPECT_CONTAINS(zip_refusal(made::zip({{"a/data.pkl", pickle}, {"a/data.pkl", pickle}})),
                  "zip entry a/data.pkl is there twice");
  EXPECT_CONTAINS(zip_refusal(made::zip({{"a/data.pkl", pickle}, {"b/data.pkl", pickle}})), "holds two data.pkl");
  EXPECT_CONTAINS(zip_refusal(made::zip({{"a/model.bin", pickle}})), "is a zip without data.pkl");
  EXPECT_CONTAINS(zip_refusal(pth(pickle, "big")), "its byte order is big, not little");
  EXPECT_CONTAINS(zip_refusal("\x80\x02\x8a\x0a" + std::string(100, 'l')), "torch's format from before 1.6");
}

TEST(PthZip, OverlappingEntriesAreRefused) {
  std::string file = made::zip({{"a/data.pkl", "x"}, {"a/data.pkl", "x"}});
  file = changed(file, "PK\1\2", 42, made::bytes_of<std::uint32_t>(0));  // both directory entries now name the first
  EXPECT_CONTAINS(zip_refusal(file), "zip entry a/data.pkl overlaps another");
}

TEST(PthZip, EntriesAndOffsetsBeyondFourGigabytesAreRead) {
  const test::TempFolder folder;
  constexpr std::int64_t elements = 2'200'000'000;  // 4.4 GB of bf16, a hole on the disk
  for (const bool descriptors : {true, false}) {
    const std::string pickle = dictionary(
        {{"big", tensor({.storage = "BFloat16Storage", .elements = elements, .shape = {elements}, .strides = {1}})},
         {"after", tensor({.key = "1", .elements = 1, .shape = {1}, .strides = {1}})}});
    const Path path = folder.path() / "big.pth";
    std::ofstream out(path, std::ios::binary);
    made::write_zip(out, {{"m/data.pkl", pickle}, {"m/data/0", "", 2 * elements}, {"m/data/1", made::bytes_of(42.f)}},
                    descriptors);
    out.close();
    const MappedFile map(path);
    ASSERT_GT(map.bytes().size(), std::uint64_t{1} << 32);
    const TensorIndex index = read_tensor_index(map.bytes(), "big.pth");
    EXPECT_EQ(index.at("big").bytes, 2u * elements);
    float value = 0;
    std::memcpy(&value, map.bytes().data() + index.at("after").offset, sizeof value);
    EXPECT_EQ(value, 42.f);
  }
}

}  // namespace
}  // namespace wf
