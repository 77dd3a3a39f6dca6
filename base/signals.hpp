// base/signals.hpp: SIGINT, SIGTERM and SIGUSR1 ask for a drain: finish the step, keep what is computed, exit 75.
#pragma once

namespace wf {

/// Installs the handlers of this process. The first signal of the three makes stop_requested() true; a SIGINT or
/// SIGTERM after it ends the process at once with exit code 130 or 143. System calls are restarted, not interrupted.
void install_stop_signals();

/// True from the first signal on. One atomic load, safe from any thread: denoising asks between two steps.
bool stop_requested() noexcept;

}  // namespace wf
