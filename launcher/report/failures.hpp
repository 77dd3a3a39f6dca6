// launcher/report/failures.hpp: what went wrong in a run, and what to do about it.
#pragma once

#include <string>

#include "jobs/record/history.hpp"

namespace wf {

/// The section with the clips that failed or were set aside, those with one error together; "" when there are none.
std::string failures_section(const RunHistory& history);

}  // namespace wf
