// launcher/supervise.hpp: a child process that this one stands in front of: runs it to its end, and hands on signals.
#pragma once

#include <string>
#include <vector>

#include "cluster/node.hpp"

namespace wf {

/// How a child ended, and what it had been told.
struct ChildEnd {
  int code = 0;                ///< its exit code; 128 + N when signal N ended it
  bool asked_to_stop = false;  ///< it was sent SIGUSR1
  int cut_short_by = 0;        ///< SIGINT or SIGTERM, when a second one ended it; else 0
};

/// Runs `words` (the program's full path first) with `added` to the environment and an empty stdin. Until it ends,
/// SIGINT, SIGTERM and SIGUSR1 come here alone: the child has a process group of its own, which a terminal's Ctrl-C
/// does not reach. The first is handed on as SIGUSR1, a further SIGINT or SIGTERM as SIGTERM; what lives 10 s after
/// that is killed. The child gets SIGTERM when this process dies. Not for programs with several threads. Throws
/// environment when no process can be made; a program that cannot be run ends with 127.
ChildEnd supervise(const std::vector<std::string>& words, const Environment& added);

}  // namespace wf
