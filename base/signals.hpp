// cluster/signals.hpp: SIGINT, SIGTERM and SIGUSR1 ask for a drain: finish the step, keep what is computed, exit 75.
#pragma once

namespace wf {

/// From now on the first such signal sets stop_requested(); a second SIGINT or SIGTERM ends the process at once, exit
/// 130 or 143.
void install_stop_signals();

/// True after the first signal. Cheap: asked between two denoising steps.
bool stop_requested() noexcept;

}  // namespace wf
