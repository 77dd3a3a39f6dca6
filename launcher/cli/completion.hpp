// launcher/cli/completion.hpp: tab completion for shells, generated from the commands.
#pragma once

#include <string>
#include <vector>

#include "launcher/cli/command.hpp"

namespace wf {

/// Returns the completion script for bash, zsh or fish. Throws Error(input) for any other shell.
std::string completion_script(const std::string& shell, const std::vector<Command>& commands);

}  // namespace wf
