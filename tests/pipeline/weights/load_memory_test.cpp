// How much memory loading takes: the weights in their new dtype and a few pieces of the file, not the file.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "pipeline/weights/checkpoint.hpp"
#include "tests/pipeline/weights/made_files.hpp"
#include "tests/pipeline/weights/said.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

constexpr double mib = 1 << 20;

/// MiB that are resident now, mapped files included.
double resident() {
  std::ifstream statm("/proc/self/statm");
  std::size_t all = 0, present = 0;
  statm >> all >> present;
  return static_cast<double>(present) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / mib;
}

/// The most that is resident while `action` runs, looked at every 0.2 ms, beyond what was before.
template <class Action>
double growth_during(Action&& action) {
  const double before = resident();
  std::atomic<bool> done = false;
  double most = before;
  std::thread watcher([&] {
    while (!done) {
      most = std::max(most, resident());
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  });
  action();
  done = true;
  watcher.join();
  return std::max(most, resident()) - before;
}

TEST(LoadMemory, ABigFileIsNeverInMemoryAsAWhole) {
  const test::TempFolder folder;
  constexpr std::int64_t elements = 64 << 20;  // 256 MiB of F32
  std::string header = R"({"w":{"dtype":"F32","shape":[67108864],"data_offsets":[0,268435456]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');  // aligned data, as every writer of the format makes them
  const Path file = folder.write("w.safetensors", made::safetensors(header, ""));
  std::filesystem::resize_file(file, std::filesystem::file_size(file) + 4 * elements);
  at::set_num_threads(2);
  at::zeros({1 << 20}).to(at::kBFloat16);  // starts ATen's threads
  const Checkpoint checkpoint(file);
  at::Tensor weights;
  const double grown = growth_during([&] { weights = checkpoint.load("w", at::kBFloat16, at::kCPU, {elements}); });
  at::set_num_threads(1);
  constexpr double weights_mib = 128, allowed_beyond = 64;
  std::printf("grew by %.1f MiB, %.1f beyond the weights: %.0f %% of what is allowed\n", grown, grown - weights_mib,
              100 * (grown - weights_mib) / allowed_beyond);
  EXPECT_GT(grown, weights_mib / 2) << "the measurement saw nothing";
  EXPECT_LT(grown, weights_mib + allowed_beyond);
}

}  // namespace
}  // namespace wf
