// jobs/model_json.hpp: a ModelSource as a JSON value, in the words of a list's `model:` and `loras:`, for messages
// between ranks, run.json and dry runs.
#pragma once

#include <nlohmann/json.hpp>

#include "jobs/model_source.hpp"

namespace wf {

/// A folder without parts and LoRAs as a text, its path; any other model as a map of the parts that are named and, if
/// there are LoRAs, `loras`: [{high, low, strength: {high, low}}]. Paths keep their bytes, which need not be UTF-8.
nlohmann::ordered_json json_of(const ModelSource& source);

/// The inverse function. Throws nlohmann::json::exception.
ModelSource model_source_from(const nlohmann::ordered_json& json);

}  // namespace wf
