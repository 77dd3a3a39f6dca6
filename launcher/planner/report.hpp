// launcher/planner/report.hpp: a plan for people, and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "launcher/planner/planner.hpp"

namespace wf {

/// What was planned for, the best ten placements, the winner's memory, and why it won.
std::string to_text(const PlanRequest& request, const PlanResult& result);

/// {hardware, model, clips, winner, reason, considered: [...]}; sizes in bytes, times in seconds.
nlohmann::ordered_json to_json(const PlanRequest& request, const PlanResult& result);

}  // namespace wf
