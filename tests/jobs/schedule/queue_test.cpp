// tests/jobs/schedule/queue_test.cpp: the order of work, levels and retries.
#include "jobs/schedule/queue.hpp"

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

using Order = std::vector<std::size_t>;

/// Wider clips take longer, whatever else they ask for.
double width(const Job& job) { return job.width; }

Queue queue_of(const std::vector<Job>& jobs, int retries = 2) { return Queue(jobs, width, retries); }

/// Takes clips until none waits, and returns them in the order in which they came.
Order taken_from(Queue& queue) {
  Order order;
  while (const auto next = queue.next()) {
    order.push_back(*next);
    queue.done(*next);
  }
  return order;
}

Order taken_from(Queue&& queue) { return taken_from(queue); }

TEST(Queue, EqualClipsComeInTheOrderOfTheList) {
  Queue queue = queue_of({job(64), job(64), job(64)});
  EXPECT_EQ(taken_from(queue), (Order{0, 1, 2}));
  EXPECT_EQ(queue.count(State::done), 3u);
}

TEST(Queue, ShapesStayTogetherWithTheLongestFirst) {
  EXPECT_EQ(taken_from(queue_of({job(64), job(128), job(64), job(96), job(128)})), (Order{1, 4, 3, 0, 2}));
}

TEST(Queue, ShapesOfEqualWorkStayTogether) {
  const Job shorter = job(64, 5), longer = job(64, 9);
  EXPECT_EQ(taken_from(queue_of({shorter, longer, shorter, longer})), (Order{0, 2, 1, 3}));
}

TEST(Queue, ClipsThatDifferInTheSolverAloneAreTwoShapes) {
  Job other = job(64);
  other.solver = SolverKind::dpmpp;
  EXPECT_EQ(taken_from(queue_of({job(64), other, job(64), other})), (Order{0, 2, 1, 3}));
}

TEST(Queue, ClipsThatDifferInWhetherAnExpertIsGuidedAreTwoShapes) {
  Job other = job(64);
  other.guidance.low = {};
  EXPECT_EQ(taken_from(queue_of({job(64), other, job(64), other})), (Order{0, 2, 1, 3}));
}

TEST(Queue, ClipsThatDifferInSavedForwardsAreTwoShapes) {
  Job other = job(64);
  other.saved.conditional = {5};
  EXPECT_EQ(taken_from(queue_of({job(64), other, job(64), other})), (Order{0, 2, 1, 3}));
}

TEST(Queue, PriorityComesBeforeLength) {
  EXPECT_EQ(taken_from(queue_of({job(128), job(64, 5, 1), job(96, 5, -1), job(64, 5, 1)})), (Order{1, 3, 0, 2}));
}

TEST(Queue, AFailedClipIsTriedAgainAfterAllOthers) {
  Queue queue = queue_of({job(64), job(64), job(64)}, 2);
  EXPECT_EQ(queue.next(), 0u);
  EXPECT_TRUE(queue.failed(0, Error::transient));
  EXPECT_EQ(queue.next(), 1u);
  EXPECT_TRUE(queue.failed(1, Error::internal));
  EXPECT_EQ(taken_from(queue), (Order{2, 0, 1}));
}

TEST(Queue, AClipFailsForGoodWhenItsRetriesAreUsedUp) {
  Queue queue = queue_of({job(64)}, 2);
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
    Queue queue = queue_of({job(64)});
    queue.next();
    EXPECT_FALSE(queue.failed(0, kind)) << to_string(kind);
    EXPECT_EQ(queue.count(State::failed), 1u);
  }
}

TEST(Queue, ARequeuedClipKeepsItsTurnAndItsRetries) {
  Queue queue = queue_of({job(64), job(64)}, 0);
  EXPECT_EQ(queue.next(), 0u);
  queue.requeue(0, 0);
  EXPECT_EQ(queue.count(State::waiting), 2u);
  EXPECT_EQ(queue.next(), 0u);
  EXPECT_EQ(queue.next(), 1u);
  EXPECT_FALSE(queue.next());
}

TEST(Queue, ClipsFoundFinishedAreSkipped) {
  Queue queue = queue_of({job(64), job(64), job(64)});
  queue.done(0);
  queue.done(2);
  EXPECT_EQ(taken_from(queue), (Order{1}));
}

TEST(Queue, ClipsAreOrderedByPriorityThenByTheirLevel) {
  Queue queue = queue_of({job(64), job(128), job(64), job(64, 5, 1)});
  queue.requeue(0, 1);
  queue.requeue(2, 2);
  EXPECT_EQ(taken_from(queue), (Order{3, 2, 0, 1}));
}

TEST(Queue, OnlyTheGivenLevelsAreSearched) {
  Queue queue = queue_of({job(64), job(64)});
  queue.requeue(1, 3);
  EXPECT_FALSE(queue.has_waiting(0b0110));
  EXPECT_FALSE(queue.next(0b0110));
  EXPECT_EQ(queue.next(0b1000), 1u);
  EXPECT_EQ(queue.next(), 0u);
}

TEST(Queue, ARequeuedClipKeepsItsTurnWithinItsLevel) {
  Queue queue = queue_of({job(64), job(64), job(64)});
  for (int i = 0; i < 3; ++i) queue.next();
  for (const std::size_t late : {2u, 0u, 1u}) queue.requeue(late, 1);
  EXPECT_EQ(taken_from(queue), (Order{0, 1, 2}));
}

TEST(Queue, AFailedClipIsTriedAgainFromTheGivenLevel) {
  Queue queue = queue_of({job(64), job(64)});
  queue.next();
  EXPECT_TRUE(queue.failed(0, Error::transient, 2));
  EXPECT_TRUE(queue.has_waiting(0b100));
  EXPECT_EQ(taken_from(queue), (Order{1, 0})) << "later than all untried ones";
}

TEST(Queue, TheWorkFunctionOrdersTheShapes) {
  EXPECT_EQ(taken_from(Queue(
                {job(64), job(128)}, [](const Job& job) { return -job.width; }, 2)),
            (Order{0, 1}));
}

TEST(Queue, AHundredThousandClipsTakeLessThanTwoSecondsOfCpu) {
  std::vector<Job> jobs(100'000);
  for (std::size_t i = 0; i < jobs.size(); ++i)
    jobs[i] = job(64 + 16 * static_cast<int>(i % 7), 5, static_cast<int>(i % 3));
  const std::clock_t begin = std::clock();
  Queue queue = queue_of(jobs);
  EXPECT_EQ(taken_from(queue).size(), jobs.size());
  EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, 2) << "seconds";
}

}  // namespace
}  // namespace wf
