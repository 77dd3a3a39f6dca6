#include "jobs/queue.hpp"

#include <algorithm>
#include <cassert>
#include <map>
#include <numeric>
#include <tuple>

namespace wf {
namespace {

/// For each job the first job of its shape: one number that names the group.
std::vector<std::size_t> shape_groups(const std::vector<Job>& jobs) {
  std::map<std::tuple<int, int, int, int>, std::size_t> first;
  std::vector<std::size_t> groups;
  groups.reserve(jobs.size());
  for (const Job& job : jobs)
    groups.push_back(first.try_emplace({job.width, job.height, job.frames, job.steps}, groups.size()).first->second);
  return groups;
}

bool worth_another_try(Error::Kind kind) {
  return kind == Error::transient || kind == Error::resource || kind == Error::internal;
}

}  // namespace

double predicted_work(const Job& job) noexcept {
  // Tokens, and the count of them at which the DiT's attention (grows with the square) costs as much as its linear
  // layers.
  constexpr double even = 35'000;
  const double tokens = (job.width / 16.0) * (job.height / 16.0) * ((job.frames - 1) / 4 + 1);
  return job.steps * tokens * (even + tokens);
}

Queue::Queue(const std::vector<Job>& jobs, int retries)
    : order_(jobs.size()), entries_(jobs.size()), retries_(retries) {
  counts_[static_cast<std::size_t>(State::waiting)] = jobs.size();
  const std::vector<std::size_t> groups = shape_groups(jobs);
  const auto rank = [&](std::size_t i) {
    return std::tuple(-static_cast<long>(jobs[i].priority), -predicted_work(jobs[i]), groups[i], i);
  };
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });
}

void Queue::set(std::size_t job, State state) {
  Entry& entry = entries_.at(job);
  --counts_[static_cast<std::size_t>(entry.state)];
  ++counts_[static_cast<std::size_t>(state)];
  entry.state = state;
}

std::optional<std::size_t> Queue::next() {
  const auto start = [this](std::size_t job) {
    set(job, State::running);
    return job;
  };
  while (!given_back_.empty()) {
    const std::size_t job = given_back_.back();
    given_back_.pop_back();
    if (state(job) == State::waiting) return start(job);
  }
  while (position_ < order_.size()) {
    const std::size_t job = order_[position_++];
    if (state(job) == State::waiting) return start(job);
  }
  while (!again_.empty()) {
    const std::size_t job = again_.front();
    again_.pop_front();
    if (state(job) == State::waiting) return start(job);
  }
  return {};
}

void Queue::done(std::size_t job) {
  assert(state(job) != State::failed);
  set(job, State::done);
}

bool Queue::failed(std::size_t job, Error::Kind kind) {
  assert(state(job) == State::running);
  const bool again = worth_another_try(kind) && entries_[job].attempts++ < retries_;
  set(job, again ? State::waiting : State::failed);
  if (again) again_.push_back(job);
  return again;
}

void Queue::give_back(std::size_t job) {
  assert(state(job) == State::running);
  set(job, State::waiting);
  given_back_.push_back(job);
}

}  // namespace wf
