#include "cluster/launch/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace wf {

std::string to_string(const TerminalSize& size) {
  return std::to_string(size.rows) + "x" + std::to_string(size.columns);
}

std::optional<TerminalSize> terminal_of_stderr() {
  TerminalSize size;
  const char* const passed = std::getenv(terminal_variable);
  if (passed && std::sscanf(passed, "%zux%zu", &size.rows, &size.columns) == 2) return size;
  const char* const kind = std::getenv("TERM");
  if (::isatty(STDERR_FILENO) == 0 || !kind || std::string_view(kind) == "dumb") return std::nullopt;
  winsize found{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &found) == 0 && found.ws_col > 0 && found.ws_row > 0)
    size = {found.ws_row, found.ws_col};
  return size;
}

}  // namespace wf
