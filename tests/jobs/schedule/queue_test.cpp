// tests/jobs/queue_test.cpp: the order of work, retries, and what a drain gives back.
#include "jobs/queue.hpp"

#include <gtest/gtest.h>

#include <ctime>

namespace wf {
namespace {

using State = Queue::State;

Job job(int width, int frames = 5, int priority = 0) {
  Job job;
  job.width = width;
  job.height = 64;
  job.frames = frames;
  job.priority = priority;
  return job;
}

std::vector<std::size_t> drained(Queue& queue) {
  std::vector<std::size_t> order;
  while (const auto next = queue.next()) {
    order.push_back(*next);
    queue.done(*next);
  }
  return order;
}

using Order = std::vector<std::size_t>;

TEST(Queue, EqualClipsGoInTheOrderOfTheList) {
  Queue queue({job(64), job(64), job(64)});
  EXPECT_EQ(drained(queue), (Order{0, 1, 2}));
  EXPECT_EQ(queue.count(State::done), 3u);
}

TEST(Queue, ShapesStayTogetherTheLongestFirst) {
  Queue queue({job(64), job(128), job(64), job(96), job(128)});
  EXPECT_EQ(queue.order(), (Order{1, 4, 3, 0, 2}));
}

TEST(Queue, ShapesOfEqualWorkStayTogether) {
  Job upright = job(64), wide = job(64);
  wide.width = 128, wide.height = 64;
  upright.width = 64, upright.height = 128;
  Queue queue({upright, wide, upright, wide});
  EXPECT_EQ(queue.order(), (Order{0, 2, 1, 3}));
}

TEST(Queue, PriorityComesBeforeLength) {
  Queue queue({job(128), job(64, 5, 1), job(96, 5, -1), job(64, 5, 1)});
  EXPECT_EQ(queue.order(), (Order{1, 3, 0, 2}));
}

TEST(Queue, AFailedJobIsTriedAgainAfterAllOthers) {
  Queue queue({job(64), job(64), job(64)}, 2);
  EXPECT_EQ(queue.next(), 0u);
  EXPECT_TRUE(queue.failed(0, Error::transient));
  EXPECT_EQ(queue.next(), 1u);
  EXPECT_TRUE(queue.failed(1, Error::internal));
  EXPECT_EQ(drained(queue), (Order{2, 0, 1}));
}

TEST(Queue, RetriesAreCounted) {
  Queue queue({job(64)}, 2);
  for (int attempt = 0; attempt < 2; ++attempt) {
    ASSERT_EQ(queue.next(), 0u);
    EXPECT_TRUE(queue.failed(0, Error::resource)) << attempt;
    EXPECT_EQ(queue.state(0), State::waiting);
  }
  ASSERT_EQ(queue.next(), 0u);
  EXPECT_FALSE(queue.failed(0, Error::resource));
  EXPECT_EQ(queue.state(0), State::failed);
  EXPECT_FALSE(queue.next());
}

TEST(Queue, SomeErrorsAreNotTriedAgain) {
  for (const auto kind : {Error::input, Error::permanent, Error::environment, Error::storage}) {
    Queue queue({job(64)});
    queue.next();
    EXPECT_FALSE(queue.failed(0, kind)) << to_string(kind);
    EXPECT_EQ(queue.count(State::failed), 1u);
  }
}

TEST(Queue, WhatWaitsAgainComesNextAndCostsNoAttempt) {
  Queue queue({job(64), job(64)}, 0);
  EXPECT_EQ(queue.next(), 0u);
  queue.wait_in(0, 0);
  EXPECT_EQ(queue.count(State::waiting), 2u);
  EXPECT_EQ(queue.next(), 0u);
  EXPECT_EQ(queue.next(), 1u);
  EXPECT_FALSE(queue.next());
}

TEST(Queue, ClipsFoundFinishedArePassedOver) {
  Queue queue({job(64), job(64), job(64)});
  queue.done(0);
  queue.done(2);
  EXPECT_EQ(drained(queue), (Order{1}));
}

TEST(Queue, TheLaneNearestTheEndComesFirstButPriorityBeforeIt) {
  Queue queue({job(64), job(128), job(64), job(64, 5, 1)});
  queue.wait_in(1, 0);
  queue.wait_in(2, 2);
  EXPECT_EQ(drained(queue), (Order{3, 2, 0, 1}));
}

TEST(Queue, OnlyTheLanesAskedForAreLookedAt) {
  Queue queue({job(64), job(64)});
  queue.wait_in(3, 1);
  EXPECT_FALSE(queue.waits_in(0b0110));
  EXPECT_FALSE(queue.next(0b0110));
  EXPECT_EQ(queue.next(0b1000), 1u);
  EXPECT_EQ(queue.next(), 0u);
}

TEST(Queue, AClipHandedOnKeepsItsTurnAmongItsLane) {
  Queue queue({job(64), job(64), job(64)});
  for (int i = 0; i < 3; ++i) queue.next();
  for (const std::size_t late : {2u, 0u, 1u}) queue.wait_in(1, late);
  EXPECT_EQ(drained(queue), (Order{0, 1, 2}));
}

TEST(Queue, AFailedJobGoesOnFromTheLaneThatIsAskedFor) {
  Queue queue({job(64), job(64)});
  queue.next();
  EXPECT_TRUE(queue.failed(0, Error::transient, 2));
  EXPECT_TRUE(queue.waits_in(0b100));
  EXPECT_EQ(drained(queue), (Order{1, 0})) << "later than all untried ones";
}

TEST(Queue, WhatIsPredictedOrdersTheShapes) {
  Queue queue({job(64), job(128)}, 2, [](const Job& job) { return -job.width; });
  EXPECT_EQ(queue.order(), (Order{0, 1}));
}

TEST(Queue, AHundredThousandJobsTakeNoTime) {
  std::vector<Job> jobs(100'000);
  for (std::size_t i = 0; i < jobs.size(); ++i)
    jobs[i] = job(64 + 16 * static_cast<int>(i % 7), 5, static_cast<int>(i % 3));
  const std::clock_t begin = std::clock();
  Queue queue(jobs);
  EXPECT_EQ(drained(queue).size(), jobs.size());
  EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, 2) << "linear or sorted work only";
}

}  // namespace
}  // namespace wf
