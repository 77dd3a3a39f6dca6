// cluster/launch/terminal.hpp: the terminal that a run's progress is drawn on.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace wf {

/// Size in characters; 24 x 80 where the terminal does not report it.
struct TerminalSize {
  std::size_t rows = 24, columns = 80;
};

/// Names the variable that tells ranks the size of the user's terminal, as "ROWSxCOLUMNS": their own stderr is a pipe
/// to the process that started them.
constexpr const char* terminal_variable = "WANFARM_TERMINAL";
/// "24x80", as terminal_variable holds it.
std::string to_string(const TerminalSize& size);

/// The terminal where this process's stderr ends, directly or through the process that started it as a rank. Empty when
/// it is no terminal that can redraw a line.
std::optional<TerminalSize> terminal_of_stderr();

}  // namespace wf
