// launcher/cli.hpp: the command line: finds the verb, parses its flags, runs it, and turns errors into exit codes.
#pragma once

#include <vector>

#include "launcher/command.hpp"

namespace wf {

/// Exit codes: the verb's own; 0 for help and version; 2 for a mistake on the command line, with the nearest name as a
/// hint; otherwise the code of the error's kind, its message on stderr.
int run_command_line(const std::vector<Command>& commands, int argc, const char* const* argv);

}  // namespace wf
