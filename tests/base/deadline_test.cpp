// tests/base/deadline_test.cpp: the callback is called after the time, and only then.
#include "base/deadline.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace wf {
namespace {

using namespace std::chrono_literals;

TEST(Deadline, CallsBackWhenTheTimeIsOver) {
  std::promise<void> expired;
  std::future<void> called = expired.get_future();
  const Deadline deadline(1ms, [&] { expired.set_value(); });
  called.get();
}

TEST(Deadline, DestroyedInTimeItReturnsAtOnceWithoutCalling) {
  std::atomic<bool> called = false;
  {
    const Deadline deadline(1h, [&] { called = true; });
  }  // a destructor that waited for the deadline would exceed the time limit of the test
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace wf
