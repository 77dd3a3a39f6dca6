// launcher/status/status_text.hpp: how a run stands, for people.
#pragma once

#include <string>

#include "jobs/record/history.hpp"
#include "launcher/status/slurm_view.hpp"
#include "launcher/status/text.hpp"

namespace wf {

/// The screen of `wanfarm status`: whether the run is at work, its clips by state, when it will end, what each rank
/// does and what has failed. No line is longer than the display has columns; if it has rows, ranks are left out to fit
/// them. run: the folder as the user wrote it. now: Unix time. job: that of the run, if it has one.
std::string status_text(const RunHistory& history, const std::string& run, double now, const Display& display,
                        const std::optional<SlurmView>& job = {});

}  // namespace wf
