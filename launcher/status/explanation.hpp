// launcher/status/explanation.hpp: what became of one clip: its history, what it took, why it failed and what to do.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

#include "jobs/record/history.hpp"
#include "launcher/status/text.hpp"

namespace wf {

/// The screen of `wanfarm explain`. clip: an index into history.clips. run: the folder as the user wrote it.
/// now: Unix time.
std::string explanation_text(const RunHistory& history, std::size_t clip, const std::string& run, double now,
                             const Display& display);

/// The same for scripts: clip_json() with "events", "cause", "advice" and "kept_state".
nlohmann::ordered_json explanation_json(const RunHistory& history, std::size_t clip, const std::string& run,
                                        double now);

}  // namespace wf
