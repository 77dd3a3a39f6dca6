// launcher/completion.hpp: Tab completion, generated from the commands themselves.
#pragma once

#include <string>
#include <vector>

#include "launcher/command.hpp"

namespace wf {

/// The script for bash, zsh or fish. Throws input for another shell.
std::string completion_script(const std::string& shell, const std::vector<Command>& commands);

}  // namespace wf
