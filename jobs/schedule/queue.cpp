#include "jobs/schedule/queue.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <tuple>

#include "base/check.hpp"
#include "jobs/schedule/clip_shape.hpp"

namespace wf {
namespace {

bool is_retryable(Error::Kind kind) {
  return kind == Error::transient || kind == Error::resource || kind == Error::internal;
}

/// All clips in the order of work while none has begun.
std::vector<std::size_t> work_order(const std::vector<Job>& jobs, const std::function<double(const Job&)>& work) {
  const std::vector<std::size_t> groups = shape_groups(jobs);
  std::vector<double> work_of(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) work_of[i] = groups[i] == i ? work(jobs[i]) : work_of[groups[i]];
  const auto key = [&](std::size_t i) {
    return std::tuple(-static_cast<long>(jobs[i].priority), -work_of[i], groups[i], i);
  };
  std::vector<std::size_t> order(jobs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
  return order;
}

}  // namespace

Queue::Queue(const std::vector<Job>& jobs, const std::function<double(const Job&)>& work, int retries)
    : entries_(jobs.size()), next_retry_turn_(jobs.size()), retries_(retries) {
  std::size_t turn = 0;
  for (const std::size_t clip : work_order(jobs, work)) {
    entries_[clip] = {.priority = jobs[clip].priority, .turn = turn++};
    levels_[0].insert(levels_[0].end(), position(clip));
  }
  filled_ = jobs.empty() ? 0 : 1;
  counts_[static_cast<std::size_t>(State::waiting)] = jobs.size();
}

bool Queue::Position::operator<(const Position& other) const {
  return std::tuple(is_retry, -static_cast<long>(priority), turn) <
         std::tuple(other.is_retry, -static_cast<long>(other.priority), other.turn);
}

Queue::Position Queue::position(std::size_t clip) const {
  const Entry& entry = entries_.at(clip);
  return {entry.is_retry, entry.priority, entry.turn, clip};
}

/// The first of the first clips of the levels. Levels are searched from the highest down, so that among equals the clip
/// nearest the end wins.
const Queue::Position* Queue::first_in(Levels levels, const std::set<std::size_t>& excluded) const {
  const auto before = [](const Position& a, const Position& b) {
    return std::tuple(a.is_retry, -static_cast<long>(a.priority)) <
           std::tuple(b.is_retry, -static_cast<long>(b.priority));
  };
  const Position* best = nullptr;
  for (levels &= filled_; levels != 0;) {
    const int level = std::bit_width(levels) - 1;
    const std::set<Position>& waiting = levels_[static_cast<std::size_t>(level)];
    const auto first = std::find_if(waiting.begin(), waiting.end(),
                                    [&](const Position& position) { return !excluded.contains(position.clip); });
    if (first != waiting.end() && (!best || before(*first, *best))) best = &*first;
    levels &= ~(Levels{1} << level);
  }
  return best;
}

/// Keeps the levels, the set of filled levels and the counts in step with the clip's state.
void Queue::set_state(std::size_t clip, State state) {
  Entry& entry = entries_.at(clip);
  --counts_[static_cast<std::size_t>(entry.state)];
  ++counts_[static_cast<std::size_t>(state)];
  std::set<Position>& level = levels_.at(static_cast<std::size_t>(entry.level));
  if (state == State::waiting)
    level.insert(position(clip));
  else if (entry.state == State::waiting)
    level.erase(position(clip));
  const Levels bit = Levels{1} << entry.level;
  filled_ = level.empty() ? filled_ & ~bit : filled_ | bit;
  entry.state = state;
}

std::optional<std::size_t> Queue::peek(Levels levels, const std::set<std::size_t>& excluded) const {
  const Position* const first = first_in(levels, excluded);
  return first ? std::optional(first->clip) : std::nullopt;
}

std::optional<std::size_t> Queue::next(Levels levels) {
  const Position* first = first_in(levels);
  if (!first) return {};
  const std::size_t clip = first->clip;
  set_state(clip, State::running);
  entries_[clip].is_retry = false;  // its later legs wait among those of all other clips
  return clip;
}

void Queue::requeue(std::size_t clip, int level) {
  WF_CHECK(state(clip) == State::running || state(clip) == State::waiting);
  if (state(clip) == State::waiting) set_state(clip, State::running);
  entries_[clip].level = level;
  set_state(clip, State::waiting);
}

void Queue::done(std::size_t clip) {
  WF_CHECK(state(clip) != State::failed);
  set_state(clip, State::done);
}

bool Queue::failed(std::size_t clip, Error::Kind kind, int retry_level) {
  WF_CHECK(state(clip) == State::running);
  if (!is_retryable(kind) || entries_[clip].failures++ >= retries_) {
    set_state(clip, State::failed);
    return false;
  }
  entries_[clip].turn = next_retry_turn_++;
  entries_[clip].is_retry = true;
  requeue(clip, retry_level);
  return true;
}

void Queue::give_up(std::size_t clip) {
  WF_CHECK(state(clip) == State::waiting);
  set_state(clip, State::failed);
}

void Queue::retry(std::size_t clip, int level) {
  WF_CHECK(state(clip) == State::failed);
  entries_[clip].failures = 0;
  entries_[clip].level = level;
  set_state(clip, State::waiting);
}

}  // namespace wf
