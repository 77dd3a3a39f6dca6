// launcher/cli/cli.hpp: the command line: finds the verb, parses its flags, runs it, and turns errors into exit codes.
#pragma once

#include <vector>

#include "launcher/cli/command.hpp"

namespace wf {

/// Runs the verb that the command line names and returns the exit code: that of the verb; 0 for --help and --version; 2
/// for an invalid command line, with the nearest valid name as a hint; otherwise the code of the error's kind. Errors
/// are printed to stderr, by rank 0 only. Throws nothing.
int run_command_line(const std::vector<Command>& commands, int argc, const char* const* argv);

/// Writes out what was printed, and returns the program's exit code: `exit_code`, or that of storage in place of 0,
/// with the reason on stderr, when stdout cannot be written. That nobody reads a pipe any more is no error.
int after_printing(int exit_code);

}  // namespace wf
