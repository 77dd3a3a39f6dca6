// tests/pipeline/stages/state_writer_test.cpp: when states of clips under way are stored, and that the background
// thread stores them whole, in order and without ever failing a clip.
#include "pipeline/stages/state_writer.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <limits>
#include <semaphore>
#include <sstream>

#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;
using test::TempFolder;

TEST(StorePolicy, AStateIsDueWhenTheIntervalHasPassedSinceTheLastOne) {
  StorePolicy policy(120s);
  policy.begin();
  EXPECT_FALSE(policy.due(0, 1000));
  EXPECT_FALSE(policy.due(1, 1119));
  EXPECT_TRUE(policy.due(2, 1120));
  EXPECT_TRUE(policy.due(3, 1125)) << "it was not stored, so it is still due";
  policy.stored(3, 1125);
  EXPECT_FALSE(policy.due(4, 1244));
  EXPECT_TRUE(policy.due(5, 1245));
}

TEST(StorePolicy, ALongWaitWithoutAStepIsNothingToStore) {
  StorePolicy policy(120s);
  policy.begin();
  EXPECT_FALSE(policy.due(0, 0));
  EXPECT_FALSE(policy.due(0, 500));
  EXPECT_TRUE(policy.due(1, 501));
}

TEST(StorePolicy, WhatAClipBeginsWithIsNotAtRisk) {
  StorePolicy policy(120s);
  policy.begin();
  policy.due(0, 0);
  policy.begin();  // the next clip, which an earlier run left at step 7
  EXPECT_FALSE(policy.due(7, 500));
  EXPECT_FALSE(policy.due(8, 619));
  EXPECT_TRUE(policy.due(8, 620));
}

TEST(StorePolicy, BetweenStagesATwentiethOfTheIntervalPays) {
  StorePolicy policy(120s);
  policy.begin();
  policy.due(0, 0);
  EXPECT_FALSE(policy.pays(4, 5.9));
  EXPECT_TRUE(policy.pays(4, 6));
  policy.stored(4, 6);
  EXPECT_FALSE(policy.pays(4, 100)) << "this very state is stored";
}

TEST(StorePolicy, AClipThatPassesAStageWithoutStepsHasNothingToStore) {
  StorePolicy policy(120s);
  policy.begin();
  EXPECT_FALSE(policy.pays(5, 1000));
}

TEST(StorePolicy, ZeroStoresNothing) {
  StorePolicy policy(0s);
  policy.begin();
  policy.due(0, 0);
  EXPECT_FALSE(policy.due(1, 1e6));
  EXPECT_FALSE(policy.pays(1, 1e6));
}

/// A state of the clip whose sample and number of steps are `step`.
StateToStore state_of(const TempFolder& folder, const std::string& clip, std::int64_t step) {
  const at::Tensor x = at::full({16, 2, 2, 2}, static_cast<double>(step), at::kFloat);
  return {clip, folder / (clip + ".h5"), "f", {{x, {x + 1, x + 2, {}, 2}, step}, {}}};
}

std::int64_t stored(const TempFolder& folder, const std::string& clip) {
  return stored_step(folder / (clip + ".h5"), "f").value_or(-1);
}

/// What the log says while it lives.
class Log {
 public:
  Log() : before_(spdlog::default_logger()) {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
  }
  ~Log() { spdlog::set_default_logger(before_); }
  std::size_t count(const std::string& words) const {
    const std::string text = text_.str();
    std::size_t found = 0;
    for (std::size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) ++found;
    return found;
  }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_;
};

struct FileFaults {
  explicit FileFaults(std::function<int(FileStep, const Path&)> fault) { inject_file_faults(std::move(fault)); }
  ~FileFaults() { inject_file_faults({}); }
};

TEST(StateWriter, WhatItTakesIsOnTheDiskBitForBit) {
  const TempFolder folder;
  StateWriter writer(at::kCPU);
  const StateToStore state = state_of(folder, "a", 3);
  EXPECT_TRUE(writer.offer(state));
  writer.wait_for(state.file);
  const auto back = load_state(state.file, "f", at::kCPU);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->state.step, 3);
  EXPECT_TRUE(at::equal(back->state.x, state.stored.state.x));
  EXPECT_TRUE(at::equal(back->state.solver.corrected, state.stored.state.solver.corrected));
  EXPECT_TRUE(at::equal(back->state.solver.m1, state.stored.state.solver.m1));
}

TEST(StateWriter, WhileTheDiskIsSlowTheNewestStateOfOneClipWaitsAndNobodyIsBlocked) {
  const TempFolder folder;
  StateWriter writer(at::kCPU);
  std::binary_semaphore writing(0), disk(0);
  const FileFaults slow([&](FileStep step, const Path&) {
    if (step != FileStep::flush) return 0;
    writing.release();
    disk.acquire();
    return 0;
  });
  EXPECT_TRUE(writer.offer(state_of(folder, "a", 1)));
  writing.acquire();
  EXPECT_TRUE(writer.offer(state_of(folder, "a", 2)));
  EXPECT_TRUE(writer.offer(state_of(folder, "a", 3)));
  EXPECT_FALSE(writer.offer(state_of(folder, "b", 1)));
  EXPECT_EQ(stored(folder, "a"), -1);
  disk.release();
  writing.acquire();
  EXPECT_EQ(stored(folder, "a"), 1);
  disk.release();
  writer.wait_for(folder / "a.h5");
  EXPECT_EQ(stored(folder, "a"), 3);
  EXPECT_EQ(stored(folder, "b"), -1);
  EXPECT_FALSE(writing.try_acquire()) << "state 2 was written as well";
}

TEST(StateWriter, AFullDiskIsTheLogsAffairOncePerClip) {
  const TempFolder folder;
  StateWriter writer(at::kCPU);
  writer.write_now(state_of(folder, "a", 1));
  const Log log;
  {
    const FileFaults full([](FileStep, const Path&) { return ENOSPC; });
    for (const std::int64_t step : {2, 3}) EXPECT_NO_THROW(writer.write_now(state_of(folder, "a", step)));
    writer.write_now(state_of(folder, "b", 2));
  }
  EXPECT_EQ(log.count("a: its state could not be stored"), 1u);
  EXPECT_EQ(log.count("b: its state could not be stored"), 1u);
  EXPECT_EQ(stored(folder, "a"), 1);
  writer.write_now(state_of(folder, "a", 4));
  EXPECT_EQ(stored(folder, "a"), 4) << "there is room again";
}

TEST(StateWriter, AStateThatHoldsNaNIsNotStored) {
  const TempFolder folder;
  StateWriter writer(at::kCPU);
  writer.write_now(state_of(folder, "a", 1));
  StateToStore broken = state_of(folder, "a", 2);
  broken.stored.state.x[0][0][0][0] = std::numeric_limits<float>::quiet_NaN();
  writer.write_now(broken);
  EXPECT_EQ(stored(folder, "a"), 1);
}

TEST(StateWriter, TwoThreadsMayUseTheStoreAtOnce) {
  const TempFolder folder;
  StateWriter writer(at::kCPU);
  for (std::int64_t step = 1; step <= 50; ++step) {
    ASSERT_TRUE(writer.offer(state_of(folder, "a", step)));
    const StateToStore other = state_of(folder, "b", step);
    store_state(other.file, other.stored, "f");
    const auto back = load_state(other.file, "f", at::kCPU);
    ASSERT_TRUE(back);
    ASSERT_TRUE(at::equal(back->state.x, other.stored.state.x));
  }
  writer.wait_for(folder / "a.h5");
  EXPECT_EQ(stored(folder, "a"), 50);
}

}  // namespace
}  // namespace wf
