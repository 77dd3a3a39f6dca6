#include "jobs/schedule/clip_shape.hpp"

#include <map>
#include <tuple>

namespace wf {
namespace {

/// The job's shape. It refers to the job, so that the lists of a clip's saved forwards are compared where they are.
using ClipShape = std::tuple<int, int, int, int, double, SolverKind, bool, bool, const SavedForwards&>;
ClipShape shape_of(const Job& job) {
  return {job.width,
          job.height,
          job.frames,
          job.steps,
          job.shift,
          job.solver,
          job.guidance.high.has_value(),
          job.guidance.low.has_value(),
          job.saved};
}

}  // namespace

std::vector<std::size_t> shape_groups(const std::vector<Job>& jobs) {
  std::map<ClipShape, std::size_t> first;
  std::vector<std::size_t> groups;
  groups.reserve(jobs.size());
  for (const Job& job : jobs) groups.push_back(first.try_emplace(shape_of(job), groups.size()).first->second);
  return groups;
}

}  // namespace wf
