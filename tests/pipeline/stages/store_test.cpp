// tests/pipeline/stages/store_test.cpp: stored tensors come back bit for bit, files appear whole or not at all, and
// broken ones are not used.
#include "pipeline/stages/store.hpp"

#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "base/error.hpp"
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
  store_denoising(folder / "a.h5", some_state(), "f");
  const auto back = load_denoising(folder / "a.h5", "f", at::kCPU);
  ASSERT_TRUE(back);
  EXPECT_TRUE(at::equal(back->x, some_state().x));
  EXPECT_TRUE(at::equal(back->solver.corrected, some_state().solver.corrected));
  EXPECT_TRUE(at::equal(back->solver.m1, some_state().solver.m1));
  EXPECT_FALSE(back->solver.m2.defined());
  EXPECT_EQ(back->solver.order, 2);
  EXPECT_EQ(back->step, 3);
}

TEST(Store, AnotherFingerprintIsNotContinued) {
  const TempFolder folder;
  store_denoising(folder / "a.h5", some_state(), "f");
  EXPECT_FALSE(load_denoising(folder / "a.h5", "g", at::kCPU));
}

TEST(Store, AMissingFileIsNoState) {
  const TempFolder folder;
  EXPECT_FALSE(load_denoising(folder / "none.h5", "f", at::kCPU));
}

TEST(Store, ATruncatedFileIsNoState) {
  const TempFolder folder;
  store_denoising(folder / "a.h5", some_state(), "f");
  const auto size = std::filesystem::file_size(folder / "a.h5");
  for (const std::uintmax_t left : {size / 2, std::uintmax_t{100}, std::uintmax_t{0}}) {
    std::filesystem::resize_file(folder / "a.h5", left);
    EXPECT_FALSE(load_denoising(folder / "a.h5", "f", at::kCPU)) << left;
  }
}

TEST(Store, AFailedWriteLeavesTheOldFile) {
  const TempFolder folder;
  store_denoising(folder / "a.h5", some_state(), "old");
  inject_file_faults([](FileStep step, const Path&) { return step == FileStep::flush ? ENOSPC : 0; });
  EXPECT_THROW(store_denoising(folder / "a.h5", some_state(), "new"), Error);
  inject_file_faults({});
  EXPECT_TRUE(load_denoising(folder / "a.h5", "old", at::kCPU));
  EXPECT_FALSE(std::filesystem::exists(folder / "a.h5.part"));
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
    store_denoising(folder / "a.h5", some_state(), "f");
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
