// jobs/list/selection.hpp: the part of a list that --only and --limit select.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "jobs/job.hpp"

namespace wf {

/// The places in `jobs` of those that are selected, in ascending order. `only`: comma-separated indices (3), ranges of
/// indices (2-5) and names, with * and ? as in a shell; empty selects all. `limit`: the number of jobs to keep, 0 for
/// all. Throws Error(input) when an item of `only` selects no job; `what` names the jobs in its text.
std::vector<std::size_t> selected(const std::vector<Job>& jobs, const std::string& only, int limit,
                                  const std::string& what = "clip of the list");

/// The selected jobs.
std::vector<Job> select(const std::vector<Job>& jobs, const std::string& only, int limit,
                        const std::string& what = "clip of the list");

/// The values at these places.
template <class Value>
std::vector<Value> at_places(const std::vector<Value>& values, const std::vector<std::size_t>& places) {
  std::vector<Value> chosen;
  for (const std::size_t place : places) chosen.push_back(values.at(place));
  return chosen;
}

}  // namespace wf
