#include "jobs/record/attempts.hpp"

#include <algorithm>

namespace wf {

void Attempts::assigned(std::size_t clip, int rank, double now) {
  Attempt& attempt = last_[clip];
  if (!under_way_.contains(clip)) attempt = {.clip = clip, .number = attempt.number + 1, .began = now};
  attempt.rank = rank;
  under_way_[clip] = true;
}

void Attempts::handed_over(std::size_t clip) {
  if (const auto found = under_way_.find(clip); found != under_way_.end()) found->second = false;
}

Attempt Attempts::end(std::size_t clip) { return under_way_.erase(clip) > 0 ? last(clip) : Attempt{.clip = clip}; }

std::vector<Attempt> Attempts::lost(int rank) {
  std::vector<Attempt> ended;
  for (const auto& [clip, at_work] : under_way_)
    if (const Attempt attempt = last(clip); at_work && attempt.rank == rank) ended.push_back(attempt);
  for (const Attempt& attempt : ended) under_way_.erase(attempt.clip);
  std::ranges::sort(ended, {}, &Attempt::clip);
  return ended;
}

Attempt Attempts::last(std::size_t clip) const {
  const auto found = last_.find(clip);
  return found == last_.end() ? Attempt{.clip = clip} : found->second;
}

}  // namespace wf
