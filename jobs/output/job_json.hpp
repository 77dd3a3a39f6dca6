// jobs/job_json.hpp: jobs and recipes as JSON values; shared by fingerprint and sidecar, not for users of the library.
#pragma once

#include <nlohmann/json.hpp>

#include "jobs/fingerprint.hpp"
#include "jobs/job.hpp"

namespace wf {

/// The values that decide on the clip: neither name nor index nor priority. Doubles are written as the shortest text
/// that gives them back, so equal values are equal text.
nlohmann::ordered_json asked(const Job& job);
/// Everything.
nlohmann::ordered_json json_of(const Job& job);
nlohmann::ordered_json json_of(const Recipe& recipe);
/// Throw nlohmann::json::exception, or Error(input) for a value out of range.
Job job_from(const nlohmann::ordered_json& json);
Recipe recipe_from(const nlohmann::ordered_json& json);

}  // namespace wf
