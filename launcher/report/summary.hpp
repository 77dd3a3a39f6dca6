// launcher/report/summary.hpp: the head of a report: which run it is, how it stands, and how it was started.
#pragma once

#include <string>

#include "jobs/record/history.hpp"
#include "launcher/report/rank_activity.hpp"

namespace wf {

/// The run's name: that of its folder.
std::string title_of(const RunHistory& history);

/// now: Unix time.
std::string summary_section(const RunHistory& history, const RankActivity& activity, double now);

}  // namespace wf
