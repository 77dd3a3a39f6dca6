// launcher/report/rank_chart.hpp: what each rank did when, as a picture.
#pragma once

#include <string>
#include <vector>

#include "jobs/record/run_info.hpp"
#include "launcher/report/rank_activity.hpp"

namespace wf {

/// From which sizes the chart is merged: a row then stands for several ranks, and a piece of it for what they did most
/// in that time. A page with more elements opens slowly, and no screen shows them.
constexpr std::size_t most_chart_rows = 64, most_chart_bars = 2000;

/// A figure with an SVG picture and its legend; "" when no rank did anything. ranks: of the run, for their names; may
/// be empty.
std::string rank_chart(const RankActivity& activity, const std::vector<RunInfo::Rank>& ranks);

}  // namespace wf
