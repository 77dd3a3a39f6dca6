// launcher/bench/alone.hpp: measurements that one process makes.
#pragma once

#include "launcher/bench/session.hpp"

namespace wf {

/// Measures options.what with the settings of one mode. Loads the model for this measurement alone, and releases it
/// afterwards, also when it fails. Only bench clip reads `videos`. Throws input or environment where this machine or
/// model cannot do what the settings say, resource when memory runs out, and what the measurement throws.
Result measure_alone(const BenchOptions& options, const ModeSettings& settings, const VideoFiles& videos = {});

}  // namespace wf
