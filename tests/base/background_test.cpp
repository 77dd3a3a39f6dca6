// tests/base/background_test.cpp: order, bound and errors of background tasks.
#include "base/background.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <vector>

#include "base/error.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

/// Holds a task until the test opens it.
class Gate {
 public:
  void open() { open_.set_value(); }
  void pass() { opened_.wait(); }

 private:
  std::promise<void> open_;
  std::shared_future<void> opened_ = open_.get_future().share();
};

TEST(Background, TasksAreDoneInOrderByOneOtherThread) {
  std::vector<int> done;
  std::thread::id thread;
  Background background("test", 3);
  for (int i = 0; i < 100; ++i) {
    background.put([&, i] {
      done.push_back(i);
      thread = std::this_thread::get_id();
    });
  }
  background.finish();
  ASSERT_EQ(done.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(done[static_cast<std::size_t>(i)], i);
  EXPECT_NE(thread, std::this_thread::get_id());
}

TEST(Background, PutBlocksWhileTheQueueIsFull) {
  Gate gate;
  std::atomic<int> put = 0;
  Background background("test", 2);
  auto putting = std::async(std::launch::async, [&] {
    for (int i = 0; i < 10; ++i) {
      background.put([&] { gate.pass(); });
      ++put;
    }
  });
  EXPECT_EQ(putting.wait_for(100ms), std::future_status::timeout);
  EXPECT_EQ(put, 3) << "one that runs and two that wait";
  gate.open();
  putting.get();
  background.finish();
}

TEST(Background, FinishWaitsForTheRunningTask) {
  bool done = false;
  Background background("test", 2);
  background.put([&] {
    std::this_thread::sleep_for(50ms);
    done = true;
  });
  background.finish();
  EXPECT_TRUE(done);
}

TEST(Background, PutAndFinishThrowTheErrorOfATaskAndLaterTasksAreNotRun) {
  bool another_done = false;
  Background background("test", 1);
  background.put([] { throw Error(Error::storage, "the disk is full"); });
  EXPECT_THROW(for (;;) background.put([&] { another_done = true; }), Error);
  try {
    background.finish();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::storage);
    EXPECT_STREQ(error.what(), "the disk is full");
  }
  EXPECT_FALSE(another_done);
}

TEST(Background, AnErrorUnblocksPut) {
  Gate gate;
  Background background("test", 1);
  background.put([&] {
    gate.pass();
    throw Error(Error::storage, "the disk is full");
  });
  background.put([] {});
  auto putting = std::async(std::launch::async, [&] { background.put([] {}); });
  EXPECT_EQ(putting.wait_for(50ms), std::future_status::timeout);
  gate.open();
  EXPECT_THROW(putting.get(), Error);
}

TEST(Background, DestructionWaitsForTheRunningTaskAndDropsTheRest) {
  const auto data = std::make_shared<int>(0);
  std::atomic<bool> begun = false, ended = false, other = false;
  {
    Background background("test", 8);
    background.put([&, data] {
      begun = true;
      std::this_thread::sleep_for(50ms);
      ended = true;
    });
    for (int i = 0; i < 5; ++i) background.put([&, data] { other = true; });
    while (!begun) std::this_thread::yield();
  }
  EXPECT_TRUE(ended);
  EXPECT_FALSE(other);
  EXPECT_EQ(data.use_count(), 1) << "dropped tasks are destroyed";
}

}  // namespace
}  // namespace wf
