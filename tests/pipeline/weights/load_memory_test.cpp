// tests/pipeline/weights/load_memory_test.cpp: loading takes memory for the converted weights and a few chunks of the
// file, not for the whole file.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "pipeline/weights/checkpoint.hpp"
#include "tests/pipeline/weights/error_message.hpp"
#include "tests/pipeline/weights/made_files.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

constexpr double mib = 1 << 20;

/// The resident memory of this process in MiB, mapped files included.
double resident() {
  std::ifstream statm("/proc/self/statm");
  std::size_t all = 0, present = 0;
  statm >> all >> present;
  return static_cast<double>(present) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / mib;
}

/// The growth of resident memory in MiB while `action` runs, at its maximum, sampled every 0.2 ms.
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

TEST(LoadMemory, ABigFileIsNeverWhollyInMemory) {
  const test::TempFolder folder;
  constexpr std::int64_t elements = 64 << 20;  // 256 MiB of F32
  std::string header = R"({"w":{"dtype":"F32","shape":[67108864],"data_offsets":[0,268435456]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');  // aligned data, as every writer of the format produces
  const Path file = folder.write("w.safetensors", made::safetensors(header, ""));
  std::filesystem::resize_file(file, std::filesystem::file_size(file) + 4 * elements);
  at::set_num_threads(2);
  at::zeros({1 << 20}).to(at::kBFloat16);  // starts ATen's threads
  const Checkpoint checkpoint(file);
  at::Tensor weights;
  const double grown = growth_during([&] { weights = checkpoint.load("w", at::kBFloat16, at::kCPU, {elements}); });
  at::set_num_threads(1);
  constexpr double weights_mib = 128, max_beyond = 64;
  std::printf("grew by %.1f MiB, %.1f beyond the weights: %.0f %% of the limit\n", grown, grown - weights_mib,
              100 * (grown - weights_mib) / max_beyond);
  EXPECT_GT(grown, weights_mib / 2) << "the measurement saw nothing";
  EXPECT_LT(grown, weights_mib + max_beyond);
}

}  // namespace
}  // namespace wf
