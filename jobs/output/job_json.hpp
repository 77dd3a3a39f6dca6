// jobs/output/job_json.hpp: jobs and recipes as JSON values, shared by the fingerprint, the sidecar and the list
// of a run's clips (jobs/record). Internal to these.
#pragma once

#include <nlohmann/json.hpp>

#include "jobs/job.hpp"
#include "jobs/output/fingerprint.hpp"

namespace wf {

/// The values of a job that decide on its clip: all but name, index and priority. Doubles are written as the shortest
/// text that gives them back, so that equal values are equal text.
nlohmann::ordered_json clip_values(const Job& job);
/// All values of a job.
nlohmann::ordered_json json_of(const Job& job);
nlohmann::ordered_json json_of(const Recipe& recipe);
/// The inverse functions. They throw nlohmann::json::exception, or Error(input) for a value out of range.
Job job_from(const nlohmann::ordered_json& json);
Recipe recipe_from(const nlohmann::ordered_json& json);

}  // namespace wf
