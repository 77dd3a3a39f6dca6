// cluster/launch/spawn.hpp: runs a child process until it ends, and forwards to it the signals that this process gets.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cluster/node.hpp"

namespace wf {

/// How a child process ended, and which signals it was sent.
struct ChildResult {
  int code = 0;                  ///< exit code; 128 + N when signal N ended the child
  bool was_over = false;         ///< the child got SIGTERM because it did not end when it was over
  bool drain_requested = false;  ///< the child was sent SIGUSR1
  int terminated_by = 0;         ///< the signal, SIGINT or SIGTERM, for which the child was sent SIGTERM; 0: none
};

/// Runs `command` (the program's full path first), with `added_variables` in its environment and an empty stdin, until
/// it ends. Its output is passed on through pipes (cluster/launch/relay.hpp). The stop_signals() (base/signals.hpp)
/// reach this process alone: the child has its own process group, which neither Ctrl-C in a terminal nor the end of the
/// terminal reaches. The first signal is forwarded as SIGUSR1, also to its own children that run this program; a
/// further SIGINT or SIGTERM as SIGTERM; 10 s later, or on a third signal, the child is killed. The child also gets
/// SIGTERM when this process dies. Only for single-threaded programs; SIGPIPE and SIGTTOU stay ignored. Throws
/// Error(environment) when no process can be created; the code is 127 when the program cannot be executed.
///
/// is_over: asked twice a second whether the child has done what it was started for. If it does not end by itself
/// within 3 s after that, it gets SIGTERM: mpirun would wait for ranks that hang.
ChildResult spawn(const std::vector<std::string>& command, const Environment& added_variables,
                  const std::function<bool()>& is_over = {});

}  // namespace wf
