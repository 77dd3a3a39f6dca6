// cluster/slurm/program.hpp: runs one of Slurm's programs and reads what it prints.
#pragma once

#include <string>
#include <vector>

namespace wf {

struct ProgramAnswer {
  int code = 0;     ///< Exit code; 127 when there is no such program in PATH; 128 + N when signal N ended it.
  std::string out;  ///< What it wrote to stdout.
};

/// Runs a program, found in PATH, with an empty stdin, and waits for its end. What it writes to stderr goes where this
/// process's does, or nowhere when it is `quiet`. Throws Error(environment) when no process can be started.
ProgramAnswer answer_of(const std::vector<std::string>& command, bool quiet = true);

}  // namespace wf
