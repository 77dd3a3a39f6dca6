#include "jobs/queue.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <map>
#include <numeric>
#include <tuple>

namespace wf {
namespace {

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

std::vector<std::size_t> shape_groups(const std::vector<Job>& jobs) {
  std::map<std::tuple<int, int, int, int, double>, std::size_t> first;
  std::vector<std::size_t> groups;
  groups.reserve(jobs.size());
  for (const Job& job : jobs) {
    const auto shape = std::tuple(job.width, job.height, job.frames, job.steps, job.shift);
    groups.push_back(first.try_emplace(shape, groups.size()).first->second);
  }
  return groups;
}

Queue::Queue(const std::vector<Job>& jobs, int retries, const std::function<double(const Job&)>& work)
    : order_(jobs.size()), entries_(jobs.size()), retries_(retries) {
  const std::vector<std::size_t> groups = shape_groups(jobs);
  std::vector<double> work_of(jobs.size());  // asked once a shape
  for (std::size_t i = 0; i < jobs.size(); ++i) work_of[i] = groups[i] == i ? work(jobs[i]) : work_of[groups[i]];
  const auto rank = [&](std::size_t i) {
    return std::tuple(-static_cast<long>(jobs[i].priority), -work_of[i], groups[i], i);
  };
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });
  for (std::size_t turn = 0; turn < order_.size(); ++turn) {
    const std::size_t job = order_[turn];
    entries_[job] = {.priority = jobs[job].priority, .turn = turn};
    lanes_[0].insert(lanes_[0].end(), place(job));
  }
  filled_ = jobs.empty() ? 0 : 1;
  counts_[static_cast<std::size_t>(State::waiting)] = jobs.size();
}

bool Queue::Place::operator<(const Place& other) const {
  return std::tuple(again, -static_cast<long>(priority), turn) <
         std::tuple(other.again, -static_cast<long>(other.priority), other.turn);
}

Queue::Place Queue::place(std::size_t job) const {
  const Entry& entry = entries_.at(job);
  return {entry.again, entry.priority, entry.turn, job};
}

const Queue::Place* Queue::best(Lanes lanes, const std::set<std::size_t>& without) const {
  const auto before = [](const Place& a, const Place& b) {
    return std::tuple(a.again, -static_cast<long>(a.priority)) < std::tuple(b.again, -static_cast<long>(b.priority));
  };
  const Place* best = nullptr;
  for (lanes &= filled_; lanes != 0;) {  // from the end: of equals the first seen stays
    const int lane = std::bit_width(lanes) - 1;
    const std::set<Place>& waiting = lanes_[static_cast<std::size_t>(lane)];
    const auto first =
        std::find_if(waiting.begin(), waiting.end(), [&](const Place& place) { return !without.contains(place.job); });
    if (first != waiting.end() && (!best || before(*first, *best))) best = &*first;
    lanes &= ~(Lanes{1} << lane);
  }
  return best;
}

/// Takes the job out of its lane or puts it there, as the new state asks.
void Queue::set(std::size_t job, State state) {
  Entry& entry = entries_.at(job);
  --counts_[static_cast<std::size_t>(entry.state)];
  ++counts_[static_cast<std::size_t>(state)];
  std::set<Place>& lane = lanes_.at(static_cast<std::size_t>(entry.lane));
  if (state == State::waiting)
    lane.insert(place(job));
  else if (entry.state == State::waiting)
    lane.erase(place(job));
  const Lanes bit = Lanes{1} << entry.lane;
  filled_ = lane.empty() ? filled_ & ~bit : filled_ | bit;
  entry.state = state;
}

std::optional<std::size_t> Queue::peek(Lanes lanes, const std::set<std::size_t>& without) const {
  const Place* const first = best(lanes, without);
  return first ? std::optional(first->job) : std::nullopt;
}

std::optional<std::size_t> Queue::next(Lanes lanes) {
  const Place* first = best(lanes);
  if (!first) return {};
  const std::size_t job = first->job;
  set(job, State::running);
  entries_[job].again = false;  // once begun it is finished like any other
  return job;
}

void Queue::wait_in(int lane, std::size_t job) {
  assert(state(job) == State::running || state(job) == State::waiting);
  if (state(job) == State::waiting) set(job, State::running);
  entries_[job].lane = lane;
  set(job, State::waiting);
}

void Queue::done(std::size_t job) {
  assert(state(job) != State::failed);
  set(job, State::done);
}

bool Queue::failed(std::size_t job, Error::Kind kind, int again_from) {
  assert(state(job) == State::running);
  if (!worth_another_try(kind) || entries_[job].attempts++ >= retries_) {
    set(job, State::failed);
    return false;
  }
  entries_[job].turn = order_.size() + failures_++;
  entries_[job].again = true;
  wait_in(again_from, job);
  return true;
}

}  // namespace wf
