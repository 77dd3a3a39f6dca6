// base/shell.hpp: command lines as a POSIX shell reads them.
#pragma once

#include <string>
#include <vector>

namespace wf {

/// The words with blanks between them; what a shell would not read as one plain word is put in single quotes.
std::string shell_command(const std::vector<std::string>& words);

}  // namespace wf
