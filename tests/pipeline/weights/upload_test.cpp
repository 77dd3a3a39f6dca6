// tests/pipeline/weights/upload_test.cpp: tensors read in chunks are complete and correctly converted for all sizes,
// offsets, types and numbers of threads.
#include "pipeline/weights/upload.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "pipeline/weights/aten_dtype.hpp"
#include "tests/pipeline/weights/error_message.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

constexpr std::int64_t elements = 1'500'001;  // 6 MB of f32: several chunks, the last one shorter

/// A file with `padding` bytes and then `elements` values that f32 represents exactly.
struct StoredTensor {
  explicit StoredTensor(DType dtype, std::uint64_t padding = 3)
      : values((at::arange(elements) % 241 - 120).to(to_aten(dtype))),
        file(folder.write("data", std::string(padding, '-') +
                                      std::string(static_cast<const char*>(values.data_ptr()), values.nbytes()))),
        entry{dtype, {elements}, {1}, padding, values.nbytes()} {}

  /// Expects that the first `count` elements, read by one and by two threads, are the stored ones as ATen converts
  /// them.
  template <class Read>
  void expect_equal(std::int64_t count, at::ScalarType type, Read&& read) {
    entry.shape = {count};
    entry.bytes = static_cast<std::uint64_t>(count) * size_of(entry.dtype);
    for (const int threads : {1, 2}) {
      at::set_num_threads(threads);
      const at::Tensor target = at::full({count}, 99, type);
      ByteSource source;
      read(source, MappedFile(file), entry, target);
      EXPECT_TRUE(at::equal(target, values.narrow(0, 0, count).to(type)))
          << count << " of " << to_string(entry.dtype) << " as " << type << ", threads: " << threads;
    }
    at::set_num_threads(1);
  }

  test::TempFolder folder;
  at::Tensor values;
  Path file;
  TensorEntry entry;
};

const std::initializer_list<DType> dtypes = {DType::f64, DType::f32, DType::bf16, DType::f16, DType::i64, DType::i8};
const std::initializer_list<at::ScalarType> types = {at::kFloat, at::kBFloat16, at::kHalf};

TEST(ReadToHost, TensorsOfEveryTypeAndSizeAreComplete) {
  for (const DType dtype : dtypes)
    for (const at::ScalarType type : types)
      for (const std::int64_t count : {std::int64_t{0}, std::int64_t{1}, std::int64_t{32769}, elements})
        StoredTensor(dtype).expect_equal(count, type, read_to_host);
}

TEST(ReadToHost, WorksInInferenceMode) {
  const c10::InferenceMode guard;
  StoredTensor(DType::f32).expect_equal(elements, at::kBFloat16, read_to_host);
}

TEST(ReadToHost, ATruncatedFileIsAnErrorWithSeveralThreads) {
  StoredTensor stored(DType::f32);
  const MappedFile file(stored.file);
  std::filesystem::resize_file(stored.file, 3'000'000);
  at::set_num_threads(2);
  const at::Tensor target = at::empty({elements}, at::kBFloat16);
  ByteSource source;
  EXPECT_CONTAINS(made::environment_error([&] { read_to_host(source, file, stored.entry, target); }),
                  "has become shorter");
  at::set_num_threads(1);
}

TEST(Uploader, TensorsOfEveryTypeAndSizeAreComplete) {
  constexpr std::uint64_t chunk = 64 << 10;
  for (const DType dtype : dtypes) {
    const auto whole_chunks = static_cast<std::int64_t>(3 * chunk / size_of(dtype));
    for (const at::ScalarType type : types) {
      Uploader uploader(at::kCPU, chunk);  // reused for all sizes, so that uploads begin at every buffer of the ring
      const auto upload = [&](ByteSource& source, const MappedFile& file, const TensorEntry& entry,
                              const at::Tensor& target) { uploader.upload(source, file, entry, target); };
      for (const std::int64_t count : {std::int64_t{0}, std::int64_t{1}, whole_chunks, whole_chunks + 1, elements})
        StoredTensor(dtype).expect_equal(count, type, upload);
    }
  }
}

}  // namespace
}  // namespace wf
