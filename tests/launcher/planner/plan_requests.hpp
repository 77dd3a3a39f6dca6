// tests/launcher/planner/plan_requests.hpp: lists of clips on made-up GPUs, for which the planner's tests ask for
// plans.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/error.hpp"
#include "launcher/planner/planner.hpp"
#include "launcher/planner/time_model.hpp"
#include "tests/launcher/run/published_model.hpp"

namespace wf {

constexpr std::uint64_t gib = 1ull << 30;

inline Execution on_gpus() {
  Execution execution;
  execution.precision = Precision::exact;
  execution.device = execution.text_device = at::Device(at::kCUDA, 0);
  return execution;
}

inline Hardware h200s(int nodes, int gpus) { return equal_nodes(nodes, gpus, 141 * gib, gpu_figures("h200")); }

inline Job job_720p() {
  Job job;
  job.width = 1280, job.height = 720;
  return job;
}

inline Job guided_by(const Guidance& guidance) {
  Job job = job_720p();
  job.guidance = guidance;
  return job;
}

inline PlanRequest request_for(int nodes, int gpus, std::uint64_t memory, std::size_t clips,
                               const Job& job = job_720p()) {
  PlanRequest request;
  request.hardware = equal_nodes(nodes, gpus, memory, gpu_figures("h200"));
  request.execution = on_gpus();
  request.model = published_model();
  request.jobs.assign(clips, job);
  return request;
}

/// The text of the Error of this kind that planning throws; fails the test when there is none.
inline std::string refusal(const PlanRequest& request, Error::Kind kind) {
  try {
    ADD_FAILURE() << "accepted: " << describe(make_plan(request).winner().plan);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  return "";
}

}  // namespace wf
