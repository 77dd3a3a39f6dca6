// launcher/planner/report.hpp: a plan as text for people and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "launcher/planner/planner.hpp"

namespace wf {

/// The hardware and list that were planned for, the ten best placements, the winner's memory, and why it won.
std::string to_text(const PlanRequest& request, const PlanResult& result);

/// {hardware, model, clips, forwards: {high, low, saved}, winner, reason, considered: [...]}; sizes are in bytes, times
/// in seconds. Forwards are those of the whole list: computed by each expert, and saved by step caches and guidance
/// intervals.
nlohmann::ordered_json to_json(const PlanRequest& request, const PlanResult& result);

}  // namespace wf
