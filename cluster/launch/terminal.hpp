// launcher/terminal.hpp: the terminal that a run's progress is drawn on.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace wf {

struct TerminalSize {
  std::size_t rows = 24, columns = 80;
};

/// Where ranks are started by a front end, their stderr is a pipe that ends on its terminal: it tells them in this
/// variable, as "ROWSxCOLUMNS".
constexpr const char* terminal_variable = "WANFARM_TERMINAL";
std::string to_string(const TerminalSize& size);

/// Empty when stderr ends on no terminal that can redraw a line.
std::optional<TerminalSize> terminal_of_stderr();

}  // namespace wf
