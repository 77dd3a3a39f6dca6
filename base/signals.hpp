// base/signals.hpp: signals that ask for a drain: finish the step, keep what is computed, exit 75.
#pragma once

#include <vector>

namespace wf {

/// SIGINT, SIGTERM and SIGUSR1, and SIGHUP, which a terminal sends when it closes, unless SIGHUP is ignored: whoever
/// starts a program with `nohup` wants it to survive its terminal.
std::vector<int> stop_signals();

/// Whether a signal that comes after another one ends the process at once. SIGUSR1 and SIGHUP only ever ask for a
/// drain: Slurm may send SIGUSR1 more than once, and the shell and the kernel each send a SIGHUP for one terminal.
bool insists(int signal) noexcept;

/// Installs the handlers of this process. The first of the stop_signals() makes stop_requested() true; a SIGINT or
/// SIGTERM after it ends the process at once with exit code 130 or 143. System calls are restarted, not interrupted.
/// Also ignores SIGPIPE: when a terminal closes, a program that stderr is piped to ends with it, and a log line that
/// nobody reads must not end the drain.
void install_stop_signals();

/// Lets the stop_signals() through to the calling thread, and to the programs that it starts. The mask of blocked
/// signals is inherited, and some launchers and services leave theirs behind; install_stop_signals() does this as well.
void unblock_stop_signals();

/// True from the first signal on. One atomic load, safe from any thread: denoising asks between two steps.
bool stop_requested() noexcept;

}  // namespace wf
