#include "jobs/schedule/step_forwards.hpp"

#include "jobs/schedule/stage.hpp"

namespace wf {

std::vector<StepForwards> forwards_by_step(const Job& job, std::int64_t high_steps) {
  std::vector<StepForwards> steps;
  for (int step = 0; step < job.steps; ++step) {
    const Stage stage = step < high_steps ? Stage::high : Stage::low;
    steps.push_back({.unconditional = forwards_in(stage, job.guidance) == 2});
  }
  const auto at = [&](int step) -> StepForwards& { return steps.at(static_cast<std::size_t>(step)); };
  for (const int step : job.saved.conditional) at(step).conditional = false;
  for (const int step : job.saved.unconditional) at(step).unconditional = false;
  for (const int step : job.saved.unguided) at(step).unconditional = false;
  return steps;
}

}  // namespace wf
