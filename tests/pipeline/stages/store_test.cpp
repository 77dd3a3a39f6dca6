// tests/pipeline/stages/store_test.cpp: stored tensors come back bit for bit, files appear whole or not at all, and
// broken ones are not used.
#include "pipeline/stages/store.hpp"

#include <spdlog/fmt/fmt.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "base/error.hpp"
#include "base/log.hpp"
#include "tests/golden.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using test::TempFolder;

Denoising some_state() {
  const at::Tensor x = at::arange(16 * 2 * 2 * 2, at::kFloat).view({16, 2, 2, 2});
  return {x, {x + 1, x * 2, {}, 2}, 3};
}

TEST(Store, DenoisingComesBackBitForBit) {
  const TempFolder folder;
  store_state(folder / "a.h5", {some_state()}, "f");
  const auto back = load_state(folder / "a.h5", "f", at::kCPU);
  ASSERT_TRUE(back);
  EXPECT_TRUE(at::equal(back->state.x, some_state().x));
  EXPECT_TRUE(at::equal(back->state.solver.corrected, some_state().solver.corrected));
  EXPECT_TRUE(at::equal(back->state.solver.m1, some_state().solver.m1));
  EXPECT_FALSE(back->state.solver.m2.defined());
  EXPECT_EQ(back->state.solver.order, 2);
  EXPECT_EQ(back->state.step, 3);
}

TEST(Store, EmbeddingsComeBackBitForBit) {
  const TempFolder folder;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor prompt = at::linspace(-2, 2, 12).view({3, 4}).to(dtype), negative = prompt.slice(0, 0, 2).neg();
    store_state(folder / "a.h5", {some_state(), {{prompt}, {negative}}}, "f");
    const auto back = load_state(folder / "a.h5", "f", at::kCPU);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->text.prompt.text.scalar_type(), dtype);
    EXPECT_TRUE(at::equal(back->text.prompt.text, prompt));
    EXPECT_TRUE(at::equal(back->text.negative.text, negative));
  }
}

TEST(Store, AClipWithoutGuidanceHasNoNegativeText) {
  const TempFolder folder;
  const at::Tensor prompt = at::linspace(-2, 2, 12).view({3, 4});
  store_state(folder / "a.h5", {some_state(), {{prompt}, {}}}, "f");
  const auto back = load_state(folder / "a.h5", "f", at::kCPU);
  ASSERT_TRUE(back);
  EXPECT_TRUE(at::equal(back->text.prompt.text, prompt));
  EXPECT_FALSE(back->text.negative.text.defined());
}

TEST(Store, AStateMayHaveNoEmbeddings) {
  const TempFolder folder;
  store_state(folder / "a.h5", {some_state()}, "f");
  EXPECT_FALSE(load_state(folder / "a.h5", "f", at::kCPU)->text.prompt.text.defined());
}

TEST(Store, TheStepIsReadAlone) {
  const TempFolder folder;
  store_state(folder / "a.h5", {some_state()}, "f");
  EXPECT_EQ(stored_step(folder / "a.h5", "f"), 3);
  EXPECT_FALSE(stored_step(folder / "a.h5", "g"));
  EXPECT_FALSE(stored_step(folder / "none.h5", "f"));
  std::filesystem::resize_file(folder / "a.h5", 100);
  EXPECT_FALSE(stored_step(folder / "a.h5", "f"));
}

TEST(Store, AnotherFingerprintIsNotContinued) {
  const TempFolder folder;
  store_state(folder / "a.h5", {some_state()}, "f");
  EXPECT_FALSE(load_state(folder / "a.h5", "g", at::kCPU));
}

/// One value of a tensor is another one on the disk.
TEST(Store, AStateThatTheDiskHasChangedIsNotContinued) {
  const TempFolder folder;
  store_state(folder / "a.h5", {some_state()}, "f");
  std::string bytes = read_file(folder / "a.h5");
  const float value = 127, other = 126.5;
  const std::string stored(reinterpret_cast<const char*>(&value), sizeof value);
  const std::size_t at = bytes.find(stored);
  ASSERT_NE(at, std::string::npos) << "the last value of x, and the last but one of corrected";
  bytes.replace(at, stored.size(), reinterpret_cast<const char*>(&other), sizeof other);
  write_file(folder / "a.h5", bytes);
  EXPECT_FALSE(load_state(folder / "a.h5", "f", at::kCPU));
}

bool is_equal(const at::Tensor& a, const at::Tensor& b) {
  return a.defined() == b.defined() && (!a.defined() || (a.scalar_type() == b.scalar_type() && at::equal(a, b)));
}

bool is_equal(const StoredState& a, const StoredState& b) {
  const Denoising &one = a.state, &other = b.state;
  return is_equal(one.x, other.x) && is_equal(one.solver.corrected, other.solver.corrected) &&
         is_equal(one.solver.m1, other.solver.m1) && is_equal(one.solver.m2, other.solver.m2) &&
         is_equal(a.text.prompt.text, b.text.prompt.text) && is_equal(a.text.negative.text, b.text.negative.text) &&
         one.solver.order == other.solver.order && one.step == other.step;
}

/// Calls check(what) for the file with each of its bytes changed, in turn.
template <class Check>
void with_each_byte_changed(const Path& file, const Check& check) {
  const std::string bytes = read_file(file);
  const auto level = spdlog::get_level();
  spdlog::set_level(spdlog::level::err);  // not a warning for each change
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const auto put = [&](int byte) {
      stream.seekp(static_cast<std::streamoff>(at)).put(static_cast<char>(byte)).flush();
    };
    put(bytes[at] ^ (1 << at % 8));
    check(fmt::format("byte {} of {}", at, bytes.size()));
    put(bytes[at]);
  }
  spdlog::set_level(level);
}

TEST(Store, AStateWithAnyByteChangedIsTheSameOrNone) {
  const TempFolder folder;
  const at::Tensor prompt = at::linspace(-2, 2, 12).view({3, 4}).to(at::kBFloat16);
  const StoredState stored{some_state(), {{prompt}, {prompt.slice(0, 0, 2).neg()}}};
  store_state(folder / "a.h5", stored, "f");
  with_each_byte_changed(folder / "a.h5", [&](const std::string& what) {
    try {
      const auto back = load_state(folder / "a.h5", "f", at::kCPU);
      EXPECT_TRUE(!back || is_equal(*back, stored)) << what;
    } catch (const std::exception& error) {
      ADD_FAILURE() << what << ": " << error.what();
    }
  });
}

TEST(Store, LatentsWithAnyByteChangedAreReadOrRefusedAsInput) {
  const TempFolder folder;
  store_latents(folder / "l.h5", {some_state().x}, R"({"prompt":"a"})");
  with_each_byte_changed(folder / "l.h5", [&](const std::string& what) {
    try {
      EXPECT_EQ(load_latents(folder / "l.h5").x.dim(), 4) << what;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::input) << what;
    }
  });
}

TEST(Store, AMissingFileIsNoState) {
  const TempFolder folder;
  EXPECT_FALSE(load_state(folder / "none.h5", "f", at::kCPU));
}

TEST(Store, ATruncatedFileIsNoState) {
  const TempFolder folder;
  store_state(folder / "a.h5", {some_state()}, "f");
  const auto size = std::filesystem::file_size(folder / "a.h5");
  for (const std::uintmax_t left : {size / 2, std::uintmax_t{100}, std::uintmax_t{0}}) {
    std::filesystem::resize_file(folder / "a.h5", left);
    EXPECT_FALSE(load_state(folder / "a.h5", "f", at::kCPU)) << left;
  }
}

TEST(Store, AFailedWriteLeavesTheOldFile) {
  const TempFolder folder;
  store_state(folder / "a.h5", {some_state()}, "old");
  inject_file_faults([](FileStep step, const Path&) { return step == FileStep::flush ? ENOSPC : 0; });
  EXPECT_THROW(store_state(folder / "a.h5", {some_state()}, "new"), Error);
  inject_file_faults({});
  EXPECT_TRUE(load_state(folder / "a.h5", "old", at::kCPU));
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    EXPECT_EQ(entry.path().filename(), "a.h5");
}

TEST(Store, LatentsComeBackBitForBit) {
  const TempFolder folder;
  store_latents(folder / "l.h5", {some_state().x}, R"({"prompt":"a"})");
  EXPECT_TRUE(at::equal(load_latents(folder / "l.h5").x, some_state().x));
}

TEST(Store, AFileThatIsNotHdf5IsRefusedAsLatents) {
  const TempFolder folder;
  std::ofstream(folder / "l.h5") << "hello";
  EXPECT_THROW(load_latents(folder / "l.h5"), Error);
}

/// Stores states in files that may not become larger than `bytes`, as on a full disk, and ends the process as usual.
[[noreturn]] void exit_after_storing_without_room(const Path& folder, rlim_t bytes) {
  const rlimit limit{bytes, bytes};
  if (std::signal(SIGXFSZ, SIG_IGN) == SIG_ERR || ::setrlimit(RLIMIT_FSIZE, &limit) != 0) std::_Exit(98);
  try {
    store_state(folder / "a.h5", {some_state()}, "f");
    std::_Exit(99);
  } catch (const Error& error) {
    std::exit(exit_code(error.kind()));
  }
}

TEST(Store, AFullDiskIsAStorageErrorAndTheProcessStillEndsInOrder) {
  const TempFolder folder;
  for (const rlim_t bytes : {0, 100, 2000, 3000, 4000})
    EXPECT_EXIT(exit_after_storing_without_room(folder.path(), bytes), testing::ExitedWithCode(5), "") << bytes;
}

}  // namespace
}  // namespace wf
