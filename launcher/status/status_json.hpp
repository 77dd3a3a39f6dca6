// launcher/status/status_json.hpp: how a run stands, for scripts.
#pragma once

#include <nlohmann/json.hpp>

#include "jobs/record/history.hpp"
#include "launcher/status/slurm_view.hpp"

namespace wf {

/// One object with all that status_text() shows, and more. What is not known is null. clips: with every clip. job: that
/// of the run, if it has one, as "slurm".
nlohmann::ordered_json status_json(const RunHistory& history, double now, bool clips,
                                   const std::optional<SlurmView>& job = {});

/// A clip with its values, its state and what it took.
nlohmann::ordered_json clip_json(const ClipHistory& clip);

}  // namespace wf
